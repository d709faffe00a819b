import assert from 'node:assert/strict'
import type { Bus } from '#shared/bus.ts'
import { clockId } from '#shared/clock.ts'
import type { GateStatus, StoredFact } from '#shared/events.ts'
import { judge, type Judgement } from '#shared/verdict.ts'

export interface CountedRun { judgement: Judgement; facts: StoredFact[]; injectedMs: number }

const target = { id: 'process:1:2', pid: 1, startTicks: 2, description: 'postgres' }

/**
 * Writes the facts of one run without load as they happen, with an instant fault, for an evaluator that is there, and gives its judgement. Gates have
 * `limit: rate` and blocks of 2 s where they say nothing else. `until`: the status in the during phase at which the run aborts.
 */
export async function runOnCounters(bus: Bus, run: string, gates: object[], { holdMs, until = () => false }: { holdMs: number; until?: ((told: GateStatus) => boolean) | undefined }): Promise<CountedRun> {
  const [scheduler, injector] = [bus.writer('scheduler'), bus.writer('injector')]
  const experiment = {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'counted' }, faults: [{ kind: 'kill', target: { process: { match: 'postgres' } }, at: '0s' }],
    gates: gates.map(gate => ({ limit: 'rate', block: '2s', ...gate })), hold: `${holdMs}ms`,
  }
  await scheduler.write(run, 'run.submitted', { experiment, experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
  const injectedMs = Date.now()
  await scheduler.write(run, 'run.phase', { phase: 'inject', atMs: injectedMs })
  await injector.write(run, 'fault.injected', { fault: '1-kill', kind: 'kill', node: 'n1', targets: [target], verified: true, readBack: [], requestedAtMs: injectedMs, injectedAtMs: injectedMs, clock: clockId })
  await scheduler.write(run, 'run.phase', { phase: 'hold', atMs: injectedMs })
  const facts: StoredFact[] = []
  await using following = bus.follow({ run })
  const lost = setTimeout(() => void following.stop(), holdMs + 60_000)
  const timer = setTimeout(() => void scheduler.write(run, 'run.phase', { phase: 'revert', atMs: Date.now() }), holdMs + 50)
  for await (const followed of following) {
    if (followed.is !== 'fact') continue
    facts.push(followed.stored)
    const { stored } = followed
    if (stored.kind === 'gate.status' && stored.fact.data.phase === 'during' && until(stored.fact.data.status)) {
      clearTimeout(timer)
      await scheduler.write(run, 'run.aborting', { cause: 'gate', detail: 'x', atMs: Date.now(), clock: clockId })
    }
    if (stored.kind === 'gate.closed') await scheduler.write(run, 'run.sealed', { atMs: Date.now() })
    if (stored.kind === 'run.judged') break
  }
  clearTimeout(lost)
  assert.equal(facts.at(-1)?.kind, 'run.judged', `${run} was never judged; its last facts: ${facts.filter(({ kind }) => kind !== 'slo.tick').slice(-8).map(({ kind, fact: { data } }) => `${kind} ${JSON.stringify(data).slice(0, 1_000)}`).join('\n')}`)
  return { judgement: judge(facts), facts, injectedMs }
}
