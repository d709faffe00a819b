/** Ctrl-C before a run has begun: the command ends soon, whatever it was waiting for, and leaves nothing. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Children } from '#shared/process/children.ts'
import { untilScraped } from '../../services/cli/parts/prometheus.ts'
import { listenersOf, processesOf, untilNothingIsLeft } from '../parts/belongings.ts'
import { temporaryFolder } from '../parts/child.ts'
import { before, startFaultline, type FaultlineCommand } from '../parts/faultline-command.ts'
import { pauseExperiment, runIn, startPauseRoom } from '../parts/pause-room.ts'
import { until } from '../parts/until.ts'

/** Prometheus scrapes first some five seconds after its start, and a start-up that waits for that takes longer. */
const soonMs = 3_500

async function endsSoon(command: FaultlineCommand, temporary: string): Promise<void> {
  const listeners = listenersOf(processesOf(temporary))
  command.child.kill('SIGINT')
  const interruptedMs = performance.now()
  const { code, out, err } = await command.ended
  const tookMs = performance.now() - interruptedMs
  assert.deepEqual([code, out], [2, ''], err)
  assert.match(err, /^interrupted: no run was begun$/m)
  assert.ok(tookMs < soonMs, `it ended ${Math.round(tookMs)} ms after the interrupt`)
  await untilNothingIsLeft(temporary, listeners, 5_000)
}

test('a run that is interrupted while Prometheus is waited for ends soon, and leaves nothing', async () => {
  await using room = await startPauseRoom(pauseExperiment())
  await using command = runIn(room)
  await before(command.ended, until('Prometheus is there', () => processesOf(room.temporary).some(({ name }) => name === 'prometheus'), 60_000), 'Prometheus')
  await endsSoon(command, room.temporary)
})

test('a demo that is interrupted while the shop is made ready ends soon, and leaves nothing', async () => {
  using folder = temporaryFolder('interrupted-start')
  await using command = startFaultline(['demo', '--results', join(folder.path, 'results')], { temporary: folder.path })
  let said = ''
  command.child.stderr?.on('data', chunk => { said += String(chunk) })
  await before(command.ended, until('the shop is begun', () => said.includes('starting the jewelry shop'), 60_000), 'the shop')
  await endsSoon(command, folder.path)
})

test('a child that is waited for, and a command that runs, are given up at once with the reason', async () => {
  using folder = temporaryFolder('interrupted-start')
  const starting = new AbortController()
  const children = new Children(join(folder.path, 'children'), { starting: starting.signal })
  try {
    const command = (name: string) => ({ name, argv: ['sleep', '600'] as [string, string], env: {}, cwd: folder.path })
    const both = Promise.allSettled([children.start({ ...command('never-ready'), ready: { kind: 'log', pattern: 'ready' } }), children.run(command('long'))])
    await until('both have begun', () => processesOf(folder.path).filter(({ name }) => name === 'sleep').length === 2, 20_000)
    starting.abort(new Error('enough'))
    assert.deepEqual(await Promise.race([both, delay(2_000)]), [1, 2].map(() => ({ status: 'rejected', reason: starting.signal.reason as unknown })))
    await assert.rejects(children.run(command('another')), /enough/)
  } finally {
    await children.close()
  }
  assert.deepEqual(processesOf(folder.path), [])
})

test('a scrape that does not come is waited for no longer than anybody wants it, also while no answer comes', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  try {
    const given = new AbortController()
    const waiting = untilScraped(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, 1, { signal: given.signal })
    await once(silent, 'request')
    given.abort(new Error('enough'))
    await assert.rejects(Promise.race([waiting, delay(1_000)]), /enough/)
  } finally {
    silent.closeAllConnections()
    silent.close()
  }
})
