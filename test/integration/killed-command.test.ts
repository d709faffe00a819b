import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { listenersOf, processesOf, untilNothingIsLeft } from '../parts/belongings.ts'
import { before, type FaultlineCommand } from '../parts/faultline-command.ts'
import { pauseExperiment, runIn, startPauseRoom, type PauseRoom } from '../parts/pause-room.ts'
import { seededRandom, shuffled, testSeed } from '../parts/seeded-random.ts'
import { until } from '../parts/until.ts'

const leaseMs = 3_000
/** Each is a session with its own nats-server and Prometheus; more at once than these slow two cores down until start-ups take too long. */
const atOnce = 4
const mayStartWithinMs = 60_000

/** A stretch of a run's life: what begins it, and how far into it the command may be killed. */
interface Stretch { name: string; times: number; begins: (room: PauseRoom, command: FaultlineCommand) => Promise<unknown>; atMostMs: number }

const sessionFile = (name: string) => ({ temporary }: PauseRoom) => until(`a session has ${name}`, () => globSync(`faultline-*/session-*/${name}`, { cwd: temporary }).length > 0, mayStartWithinMs, { lookMs: 5 })
const announced = sessionFile('session.json')
const paused = (room: PauseRoom) => until('the worker is paused', room.isPaused, mayStartWithinMs)

/** The whole of it, most often where most can go wrong. */
const life: readonly Stretch[] = [
  { name: 'start-up', times: 4, begins: () => Promise.resolve(), atMostMs: 6_000 },
  { name: 'steady', times: 2, begins: announced, atMostMs: 900 },
  { name: 'just before the fault', times: 2, begins: room => announced(room).then(() => delay(900)), atMostMs: 400 },
  { name: 'journaled, perhaps not done yet', times: 4, begins: sessionFile('injector/*.entry'), atMostMs: 600 },
  { name: 'hold', times: 4, begins: paused, atMostMs: 2_500 },
  { name: 'recovery', times: 3, begins: room => paused(room).then(() => until('the pause is over', () => !room.isPaused(), 30_000)), atMostMs: 1_500 },
  { name: 'ending', times: 1, begins: (_room, { child }) => new Promise(resolve => child.stdout?.once('data', resolve)), atMostMs: 200 },
]

interface Killed { name: string; afterMs: number; hit: boolean; pausedForMs: number; pausedForGood: boolean; goneAfterMs: number }

async function killAt({ name, begins, afterMs }: Stretch & { afterMs: number }): Promise<Killed> {
  await using room = await startPauseRoom(pauseExperiment({ duration: '3s', hold: '3s' }))
  await using command = runIn(room, '--json')
  await before(command.ended, begins(room, command), name)
  await delay(afterMs)
  const hit = command.child.kill('SIGKILL')
  const killedMs = performance.now()
  const listeners = listenersOf(processesOf(room.temporary))
  let pausedForMs = 0
  const watching = setInterval(() => { if (room.isPaused()) pausedForMs = performance.now() - killedMs }, 10)
  try {
    await untilNothingIsLeft(room.temporary, listeners, 30_000)
  } finally {
    clearInterval(watching)
  }
  return { name, afterMs, hit, pausedForMs, pausedForGood: room.isPaused(), goneAfterMs: performance.now() - killedMs }
}

test('20 of 20 commands that are SIGKILLed at a random moment leave nothing paused after lease + 1 s, and then no process, port or folder', async t => {
  const seed = testSeed()
  t.diagnostic(`FAULTLINE_TEST_SEED=${seed}`)
  const random = seededRandom(seed)
  const moments = shuffled(life.flatMap(stretch => Array.from({ length: stretch.times }, () => ({ ...stretch, afterMs: Math.round(random() * stretch.atMostMs) }))), random)
  const outcomes: Killed[] = []
  let tooLate = 0
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let moment = moments.pop(); moment; moment = moments.pop()) {
      const outcome = await killAt(moment)
      if (!outcome.hit && outcome.name !== 'ending' && tooLate++ < 3) { // on a busy machine it may be over before it is killed, which shows nothing
        moments.push(moment)
        continue
      }
      outcomes.push(outcome)
      t.diagnostic(`${outcome.name} + ${outcome.afterMs} ms: paused for ${Math.round(outcome.pausedForMs)} ms more, all gone after ${Math.round(outcome.goneAfterMs)} ms${outcome.hit ? '' : ' (it had ended by itself)'}`)
    }
  }))
  assert.equal(outcomes.length, 20)
  assert.deepEqual(outcomes.filter(({ pausedForMs, pausedForGood }) => pausedForGood || pausedForMs >= leaseMs + 1_000), [])
  assert.deepEqual(outcomes.filter(({ hit, name }) => !hit && name !== 'ending'), [], 'these ended before they were killed, so they show nothing')
})
