import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { judge } from '#shared/verdict.ts'
import { onSteadyMachine } from '../../parts/steady-machine.ts'
import { forwardScheduler, inSystem, installed, type ForwardedScheduler } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

const leaseMs = 3_000
const owned = new AsyncDisposableStack()
let scheduler: ForwardedScheduler
let subject: Subject
before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-loss', optedIn: true, replicas: 1 }))
})
after(() => owned.disposeAsync())

/** Stops the agent dead, so that it hears no SIGTERM: it does nothing more, and what is left are its reverters. */
const silence = (agent: string): Promise<string> =>
  inSystem('exec', agent, '--', 'sh', '-c', 'for c in $(grep -lsz "^services/injector/main.ts$" /proc/[0-9]*/cmdline); do p=${c%/cmdline}; grep -q "^Uid:.0" $p/status && kill -STOP ${p#/proc/}; done; true')

for (const { when, isSilenced, cause } of [
  { when: 'deleted by force, which it hears of', isSilenced: false, cause: 'command' },
  { when: 'dead to all signals and deleted by force', isSilenced: true, cause: 'lease' },
] as const) test(`a pause ends within its lease and a second when its agent is ${when}, with none in its place; the next one tells of it`, () => onSteadyMachine(async () => {
  const [pod] = await subject.ready()
  assert.ok(pod)
  const agent = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=injector', '--field-selector', `spec.nodeName=${pod.node}`, '--output', 'name')).trim()
  assert.equal(await subject.ask(pod), 'here')

  await using takenAway = new AsyncDisposableStack()
  takenAway.defer(installed)
  await inSystem('delete', 'daemonset/injector', '--cascade=orphan') // nobody replaces the agent, and so nobody replays its journal
  const { judged } = await scheduler.hold({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'agent-loss' }, lease: `${leaseMs}ms`,
    faults: [{ kind: 'pod-pause', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }, at: '1s', duration: '20s' }],
    gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }],
    recovery: { within: '5s', stable: '1s' },
  })
  let isAnswered = false
  const answered = subject.ask(pod).finally(() => { isAnswered = true }) // it hangs, and comes back at the moment at which the pause ends
  await delay(2_000)
  assert.equal(isAnswered, false)
  if (isSilenced) await silence(agent)
  const [deletedAt, deletedAtMs] = [performance.now(), Date.now()]
  await inSystem('delete', agent, '--force', '--grace-period=0')
  const deletedMs = performance.now() - deletedAt
  await answered
  const tookMs = performance.now() - deletedAt
  console.log(`${when}: the pod was deleted by force within ${Math.round(deletedMs)} ms; the pause ended ${Math.round(tookMs)} ms after that was asked for`)

  await takenAway.disposeAsync()
  const facts = await judged
  const reverted = facts.flatMap(({ kind, fact }) => kind === 'fault.reverted' ? [fact.data] : [])
  assert.deepEqual(reverted.map(({ cause, verified }) => [cause, verified]), [[cause, true]])
  const goneMs = (reverted[0]?.revertedAtMs ?? Infinity) - deletedAtMs // as its node dates it: what asks here takes its time to hear of it
  assert.ok(goneMs < leaseMs + 1_000, `it took ${goneMs} ms`)
  assert.equal(judge(facts).verdict, 'inconclusive')
}))
