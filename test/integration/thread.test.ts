import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { StoredFact } from '#shared/events.ts'
import { isProcess, type BoundTarget } from '#shared/target.ts'
import { judge, printJudgement } from '#shared/verdict.ts'
import { startNats } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { startServices, type TestServices } from '../parts/services.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { startWorker } from '../parts/worker.ts'

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

async function inRoom(use: (room: TestServices) => Promise<void>): Promise<void> {
  const stateFolder = mkdtempSync(join(tmpdir(), 'thread-'))
  try {
    await using worker = await startWorker()
    await using nats = await startNats()
    await using prometheus = await startPrometheus([{ job: 'worker', address: worker.address }])
    await using services = await startServices({ login: () => nats, stateFolder, prometheusUrl: prometheus.url, parent: worker.pid })
    await use(services)
  } finally {
    rmSync(stateFolder, { recursive: true, force: true })
  }
}

test('a pause that stops the work breaks the gate: the run aborts, the work goes on, the verdict is failed and can be replayed', () => onSteadyMachine(() => inRoom(async services => {
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
})))

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
