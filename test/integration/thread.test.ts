import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import type { StoredFact } from '#shared/events.ts'
import { createMetrics } from '#shared/service.ts'
import { isProcess, type BoundTarget } from '#shared/target.ts'
import { judge, printJudgement } from '#shared/verdict.ts'
import { localDriver } from '../../services/injector/local-driver.ts'
import { startInjector } from '../../services/injector/service.ts'
import { takeEpoch } from '../../services/scheduler/epoch.ts'
import { startScheduler } from '../../services/scheduler/service.ts'
import { startSloEvaluator } from '../../services/slo-evaluator/service.ts'
import { startNats, type Nats } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { startWorker } from '../parts/worker.ts'

const log = pino({ level: process.env['FAULTLINE_TEST_LOG'] ?? 'silent' })

/** The three services that a run without load needs, each on a connection of its own. */
async function startServices(nats: Nats, stateFolder: string, prometheusUrl: string, parent: number) {
  const keys = newCommandKeys()
  const connect = (service: string, secret: object = {}) => connectBus({ servers: nats.servers, token: nats.token, service, log, commandKey: keys.commandKey, ...secret })
  const buses = { injector: await connect('injector'), evaluator: await connect('slo-evaluator'), scheduler: await connect('scheduler', { signingSeed: keys.signingSeed }) }
  const injector = await startInjector({ bus: buses.injector, node: 'n1', stateFolder, driver: localDriver(() => [{ name: 'worker', pid: parent }]), clock: systemClock, log, metrics: createMetrics('injector') })
  const evaluator = await startSloEvaluator({ bus: buses.evaluator, clock: systemClock, log, prometheus: { url: prometheusUrl } })
  const epoch = await takeEpoch(nats)
  const startAScheduler = () => startScheduler({ bus: buses.scheduler, clock: systemClock, log, epoch, metrics: createMetrics('scheduler') })
  let scheduler = await startAScheduler()
  return {
    submit: (document: unknown) => scheduler.submit(document),
    abort: (run: string) => scheduler.abort(run, 'the test'),
    async restartScheduler() {
      await scheduler.stop()
      scheduler = await startAScheduler()
    },
    /** All facts of a run, from its first to its verdict; `onFact` is called as they come. */
    async facts(run: string, onFact: (stored: StoredFact) => void = () => undefined): Promise<StoredFact[]> {
      const facts: StoredFact[] = []
      await using following = buses.scheduler.follow({ run })
      for await (const next of following) {
        if (next.is === 'invalid') assert.fail(next.why)
        if (next.is !== 'fact') continue
        facts.push(next.stored)
        onFact(next.stored)
        if (next.stored.kind === 'run.judged') break
      }
      return facts
    },
    async [Symbol.asyncDispose]() {
      await scheduler.stop()
      await evaluator.stop()
      await injector.stop()
      await Promise.all(Object.values(buses).map(bus => bus.close()))
    },
  }
}

const experiment = (minimum: number) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'pause-worker' },
  faults: [{ kind: 'pause', target: { process: { match: 'faultline-test-worker' } }, at: '1s', duration: '6s' }],
  gates: [
    { name: 'works', phase: 'during', promql: { query: 'sum(rate(work_done_total[3s]))', min: minimum } },
    { name: 'works-again', phase: 'recovery', promql: { query: 'sum(rate(work_done_total[3s]))', min: 1 } },
  ],
  recovery: { within: '20s', stable: '1s' },
})

const of = <K extends StoredFact['kind']>(facts: StoredFact[], kind: K) => facts.filter((stored): stored is Extract<StoredFact, { kind: K }> => stored.kind === kind)
const pidOf = (target: BoundTarget | undefined) => target && isProcess(target) ? target.pid : assert.fail('a process is the target')
const stateOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '')[0]

async function inRoom(use: (room: Awaited<ReturnType<typeof startServices>>) => Promise<void>): Promise<void> {
  const stateFolder = mkdtempSync(join(tmpdir(), 'thread-'))
  try {
    await using worker = await startWorker()
    await using nats = await startNats()
    await using prometheus = await startPrometheus([{ job: 'worker', address: worker.address }])
    await using services = await startServices(nats, stateFolder, prometheus.url, worker.pid)
    await use(services)
  } finally {
    rmSync(stateFolder, { recursive: true, force: true })
  }
}

test('a pause that stops the work breaks the gate: the run aborts, the work goes on, the verdict is failed and can be replayed', () => inRoom(async services => {
  const run = await services.submit(experiment(50))
  const facts = await services.facts(run, stored => {
    if (stored.kind === 'fault.injected') assert.equal(stateOf(pidOf(stored.fact.data.targets[0])), 'T')
  })
  const [reverted] = of(facts, 'fault.reverted')
  assert.equal(of(facts, 'run.aborting')[0]?.fact.data.cause, 'gate')
  assert.deepEqual([reverted?.fact.data.cause, reverted?.fact.data.verified], ['abort', true])
  assert.notEqual(stateOf(pidOf(reverted?.fact.data.targets[0])), 'T')
  const judgement = judge(facts)
  assert.deepEqual([judgement.verdict, judgement.exitCode], ['failed', 1], judgement.reasons.join('; '))
  assert.equal(of(facts, 'run.judged')[0]?.fact.data.verdict, 'failed')
  assert.ok((judgement.timings.breachToRevertedMs ?? Infinity) < 3_000, `breach to reverted took ${judgement.timings.breachToRevertedMs} ms`)
  assert.equal(printJudgement(judge([...facts, ...facts].toReversed())), printJudgement(judgement))
}))

test('a user\'s abort reverts, and a scheduler that is started again in mid-run goes on with the run', () => inRoom(async services => {
  const run = await services.submit(experiment(0))
  let restarted: Promise<unknown> | undefined
  const facts = await services.facts(run, stored => {
    if (stored.kind === 'fault.injected') restarted = services.restartScheduler().then(() => services.abort(run))
  })
  await restarted
  assert.deepEqual(of(facts, 'run.aborting').map(({ fact }) => fact.data.cause), ['user'])
  assert.deepEqual(of(facts, 'fault.reverted').map(({ fact }) => fact.data.verified), [true])
  assert.equal(judge(facts).verdict, 'inconclusive')
}))

test('an experiment that matches no process is inconclusive, and touches none', () => inRoom(async services => {
  const nobody = { ...experiment(0), faults: [{ kind: 'pause', target: { process: { match: 'no such process' } }, at: '1s', duration: '5s' }] }
  const facts = await services.facts(await services.submit(nobody))
  assert.equal(of(facts, 'fault.injected').length, 0)
  const judgement = judge(facts)
  assert.deepEqual([judgement.verdict, judgement.exitCode], ['inconclusive', 2])
}))
