import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { commandLine } from '#shared/process/process-table.ts'
import { ApiClient } from '../../services/cli/api-client.ts'
import { listenersOf, processesOf, untilNothingIsLeft } from '../parts/belongings.ts'
import { runFaultline } from '../parts/faultline-command.ts'
import { pauseExperiment, runIn, startPauseRoom, untilPaused, type PauseRoom } from '../parts/pause-room.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { until } from '../parts/until.ts'

const leaseMs = 3_000

const judgementSchema = z.object({ verdict: z.string(), reasons: z.array(z.string()), faults: z.array(z.object({ cause: z.string(), verified: z.boolean() })) })

/** The one run of the one session, as its scheduler calls it. */
async function runOf({ temporary }: PauseRoom): Promise<string> {
  const [file = ''] = globSync('faultline-*/session-*/session.json', { cwd: temporary })
  const address = z.object({ apiUrl: z.string(), token: z.string() }).parse(JSON.parse(readFileSync(join(temporary, file), 'utf8')))
  const [run] = z.array(z.object({ run: z.string() })).parse(await new ApiClient(address).runs())
  return run?.run ?? ''
}

for (const [how, argumentsOf] of [
  ['abort <run>', (run: string) => ['abort', run]],
  ['abort --all', () => ['abort', '--all']],
] as const) {
  test(`faultline ${how} from a second process reverts the fault, and the run ends as inconclusive with exit code 2`, async () => {
    await using room = await startPauseRoom(pauseExperiment())
    await using command = runIn(room, '--json')
    await untilPaused(room, command.ended)
    const run = await runOf(room)
    const aborted = await runFaultline(argumentsOf(run), room)
    assert.deepEqual([aborted.code, aborted.out], [0, `aborted ${run}\n`], aborted.err)
    await until('the worker goes on', () => !room.isPaused(), 20_000) // by the abort, as the verdict says below, and not by a lease
    const { code, out, err } = await command.ended
    assert.equal(code, 2, err)
    const { verdict, reasons, faults } = judgementSchema.parse(JSON.parse(out))
    assert.deepEqual([verdict, faults], ['inconclusive', [{ cause: 'abort', verified: true }]])
    assert.match(reasons[0] ?? '', /aborted \(user\)/)
    assert.deepEqual(readdirSync(room.temporary), [])
  })
}

test('faultline abort exits 3 when nothing is under way, when the run is not, and when it is told neither a run nor --all', async () => {
  await using room = await startPauseRoom(pauseExperiment())
  for (const words of [['--all'], ['no-such-run'], []]) {
    const { code, out, err } = await runFaultline(['abort', ...words], room)
    assert.deepEqual([code, out], [3, ''])
    assert.match(err, /NothingToAbort: (no run .*is under way|name a run, or say --all)/)
  }
})

test('faultline abort of a run that is not there exits 3 beside one that is, which goes on', async () => {
  await using room = await startPauseRoom(pauseExperiment({ duration: '3s', hold: '3s' }))
  await using command = runIn(room, '--json')
  await untilPaused(room, command.ended)
  assert.equal((await runFaultline(['abort', 'no-such-run'], room)).code, 3)
  const { code, out, err } = await command.ended
  assert.equal(code, 0, err)
  assert.equal(judgementSchema.parse(JSON.parse(out)).verdict, 'passed')
})

/** What is killed, how the services run, and the end of its command line. */
const victims = [
  ['injector', '--processes', 'services/injector/main.ts'],
  ['scheduler', '--processes', 'services/scheduler/main.ts'],
  ['slo-evaluator', '--processes', 'services/slo-evaluator/main.ts'],
  ['locust-bridge', '--processes', 'services/locust-bridge/main.ts'],
  ['nats-server', '--processes', 'nats.conf'],
  ['nats-server', '--embedded', 'nats.conf'],
] as const

for (const [name, how, commandLineEnd] of victims) {
  test(`SIGKILL of the ${name} in mid-fault (${how}) ends the command with exit code 4 and its name, the fault after lease + 1 s at the latest, and leaves nothing`, t => onSteadyMachine(async () => {
    await using room = await startPauseRoom(pauseExperiment())
    await using command = runIn(room, how, '--json')
    await untilPaused(room, command.ended)
    const processes = processesOf(room.temporary)
    const listeners = listenersOf(processes)
    const victim = processes.find(({ pid }) => commandLine(pid).endsWith(commandLineEnd))
    assert.ok(victim, `${name} is a process of its own`)
    process.kill(victim.pid, 'SIGKILL')
    const goesOnMs = await until('the worker goes on', () => !room.isPaused(), leaseMs + 1_000)
    const startedMs = performance.now()
    const { code, err } = await command.ended
    t.diagnostic(`the worker went on ${Math.round(goesOnMs)} ms after ${name} was killed, the command ended ${Math.round(performance.now() - startedMs)} ms after that`)
    assert.equal(code, 4, err)
    assert.match(err, new RegExp(`came to no verdict: ${name} ended in mid-session \\(SIGKILL\\)`))
    await untilNothingIsLeft(room.temporary, listeners, 15_000)
    assert.ok(!room.isPaused())
  }))
}
