import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { z } from 'zod'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import type { StoredFact } from '#shared/events.ts'
import { removeHaltFile, writeHaltFile } from '#shared/halt-file.ts'
import { isStopped } from '#shared/process/process-table.ts'
import { isProcess } from '#shared/target.ts'
import { revertAll } from '../../services/injector/revert-all.ts'
import { temporaryFolder } from '../parts/child.ts'
import { runFaultline } from '../parts/faultline-command.ts'
import { startNats } from '../parts/nats.ts'
import { pauseExperiment, runIn, startPauseRoom, untilPaused } from '../parts/pause-room.ts'
import { startProcessTree } from '../parts/process-tree.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { until } from '../parts/until.ts'

const log = pino({ level: 'silent' })
const mainPath = fileURLToPath(new URL('../../services/injector/main.ts', import.meta.url))
const epoch = { bucketCreatedMs: 1, revision: 1 }
const marker = 'marker-halt-file'
const item = { kind: 'pause', target: { process: { match: marker } }, at: '0s', duration: '60s' }
/** Far longer than anything here may take: what ends the fault is the file. */
const leaseMs = 30_000

/** A real agent, as a process of its own, over a real NATS, and the scheduler's end of it. */
async function stage() {
  await using made = new AsyncDisposableStack()
  const tree = made.use(await startProcessTree(marker))
  const nats = made.use(await startNats())
  const folder = made.use(temporaryFolder('halt-file'))
  const [stateFolder, haltFile] = [join(folder.path, 'journal'), join(folder.path, 'halt')]
  const { signingSeed, commandKey } = newCommandKeys()
  const scheduler = await connectBus({ servers: nats.servers, token: nats.token, service: 'scheduler', log, signingSeed, commandKey })
  made.defer(() => scheduler.close())
  const agents: ChildProcess[] = []
  made.defer(async () => {
    await Promise.all(agents.map(async agent => {
      if (agent.exitCode !== null || agent.signalCode !== null) return
      const ended = once(agent, 'exit')
      agent.kill('SIGKILL')
      await ended
    }))
    await revertAll(stateFolder)
  })
  const owned = made.move()
  return {
    tree, nats, haltFile, scheduler,
    stopped: () => tree.members().filter(isStopped).length,
    async startAgent(): Promise<ChildProcess> {
      const here = Promise.withResolvers<void>()
      const subscription = scheduler.onSignal('agent', '*', () => here.resolve())
      const agent = spawn(process.execPath, [mainPath], { stdio: 'ignore', env: {
        ...process.env, FAULTLINE_NATS_URL: nats.servers, FAULTLINE_NATS_TOKEN: nats.token, FAULTLINE_COMMANDS_PUBLIC_KEY: commandKey, FAULTLINE_INJECTOR_NODE: 'n1',
        FAULTLINE_INJECTOR_STATE_FOLDER: stateFolder, FAULTLINE_INJECTOR_PARENTS: `test=${tree.parent.pid}`, FAULTLINE_HALT_FILES: `${join(folder.path, 'none')},${haltFile}`,
      } })
      agents.push(agent)
      await Promise.race([here.promise, once(agent, 'exit').then(() => { throw new Error('the agent ended at once') })])
      subscription.stop()
      return agent
    },
    async inject(run: string) {
      const plan = await scheduler.request('plan', 'n1', { run, fault: '1-pause', item }, { timeoutMs: 5_000 })
      if (plan.outcome === 'refused') throw new Error(plan.why)
      const targets = plan.targets.map(({ target }) => target).filter(isProcess)
      return scheduler.request('inject', 'n1', { run, fault: '1-pause', item, targets, peers: [], vouchers: {}, epoch, deadlineMs: Date.now() + 5_000, leaseMs }, { timeoutMs: 10_000 })
    },
    async factsUntil(run: string, kind: StoredFact['kind']): Promise<StoredFact[]> {
      await using following = scheduler.follow({ run })
      const found: StoredFact[] = []
      for await (const next of following) {
        if (next.is !== 'fact') continue
        found.push(next.stored)
        if (next.stored.kind === kind) break
      }
      return found
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test('with NATS killed, a halt file ends the held fault within two seconds of a lease of thirty; the agent goes on refusing after SIGKILL and a start', t => onSteadyMachine(async () => {
  await using here = await stage()
  const agent = await here.startAgent()
  assert.deepEqual(await here.inject('r1'), { outcome: 'done' })
  assert.equal(here.stopped(), 4)
  await here.nats.kill()
  const writtenAtMs = Date.now()
  writeHaltFile(here.haltFile, 'fire in the data centre')
  await until('everything goes on', () => here.stopped() === 0, 20_000)

  await here.nats.restart()
  const told = await here.factsUntil('r1', 'fault.reverted')
  const last = told.at(-1)
  assert.ok(last?.kind === 'fault.reverted' && last.fact.data.cause === 'halt' && last.fact.data.verified)
  const tookMs = last.fact.data.revertedAtMs - writtenAtMs // as the agent dates it: one machine, one clock
  t.diagnostic(`reverted ${tookMs} ms after the file was there`)
  assert.ok(tookMs < 2_000, `${tookMs} ms`)
  const halted = new RegExp(`^halted by the file ${here.haltFile} since 20\\S+Z: fire in the data centre$`)
  const refused = await here.inject('r2')
  assert.match(refused.outcome === 'refused' ? refused.why : '', halted)

  const ended = once(agent, 'exit')
  agent.kill('SIGKILL')
  await ended
  await here.startAgent()
  const refusedAgain = await here.inject('r3')
  assert.match(refusedAgain.outcome === 'refused' ? refusedAgain.why : '', halted)
  const fact = (await here.factsUntil('r3', 'fault.refused')).at(-1)
  assert.match(fact?.kind === 'fault.refused' ? fact.fact.data.why : '', halted)
  assert.equal(here.stopped(), 0)

  removeHaltFile(here.haltFile)
  assert.deepEqual(await here.inject('r4'), { outcome: 'done' })
  assert.equal(here.stopped(), 4)
}))

for (const how of ['--embedded', '--processes']) {
  test(`faultline halt --file from a second process ends the run of a session (${how}), and has the next one refused, until faultline resume`, async () => {
    using folder = temporaryFolder('halt-command')
    const [own, machines] = [join(folder.path, 'faultline', 'halt'), join(folder.path, 'machine')]
    const written = process.getuid?.() === 0 ? machines : own
    Object.assign(process.env, { XDG_STATE_HOME: folder.path, FAULTLINE_HALT_FILES: machines }) // what the commands below are started with
    await using room = await startPauseRoom(pauseExperiment())
    await using command = runIn(room, '--json', how)
    await untilPaused(room, command.ended)
    const halted = await runFaultline(['halt', '--file', 'release', 'today'], room)
    assert.deepEqual([halted.code, halted.err], [0, ''])
    assert.match(halted.out, new RegExp(`^halted by the file ${written}: release today; `))
    assert.equal(readFileSync(written, 'utf8'), 'release today\n')
    await until('the worker goes on', () => !room.isPaused(), 20_000) // before the lease was over, as the verdict says below
    const { code, out, err } = await command.ended
    assert.equal(code, 2, err)
    const { verdict, reasons, faults } = z.object({ verdict: z.string(), reasons: z.array(z.string()), faults: z.tuple([z.object({ cause: z.string() })]) }).parse(JSON.parse(out))
    assert.equal(verdict, 'inconclusive')
    assert.match(faults[0].cause, /^(?:halt|abort)$/, 'whichever came first, the file or the scheduler that it stopped')
    assert.match(reasons.join('; '), /halt/)

    const next = await runIn(room, '--json', how).ended
    assert.equal(next.code, 3)
    assert.match(next.err, new RegExp(`no run is taken: halted by the file ${written} since .*: release today; faultline resume`))
    const resumed = await runFaultline(['resume'], room)
    assert.deepEqual([resumed.code, resumed.out, existsSync(written)], [0, `the file ${written} is gone\n`, false], resumed.err)
    assert.equal((await runFaultline(['resume'], room)).code, 3)
  })
}
