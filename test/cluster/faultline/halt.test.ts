/** A halt by the ConfigMap, as the command makes it when no scheduler answers: kubelets bring it to each pod, which asks nobody. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { judge } from '#shared/verdict.ts'
import { temporaryFolder } from '../../parts/child.ts'
import { runFaultline } from '../../parts/faultline-command.ts'
import { until } from '../../parts/until.ts'
import { forwardScheduler, inSystem, installed, type ForwardedScheduler } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

const owned = new AsyncDisposableStack()
const { path: temporary } = owned.use(temporaryFolder('faultline-cluster-halt'))
const faultline = (...words: string[]) => runFaultline(words, { temporary })
let scheduler: ForwardedScheduler
let subject: Subject
before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-halt', optedIn: true, replicas: 1 }))
})
after(async () => {
  await faultline('resume', '--cluster') // of a test that failed before it did so
  await faultline('abort', '--cluster', '--all') // and before it ended its run
  await owned.disposeAsync()
})

const pauseFor = (duration: string) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'halted' },
  faults: [{ kind: 'pod-pause', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }, at: '1s', duration }],
  gates: [{ name: 'works-again', phase: 'recovery', promql: { query: 'vector(1)', min: 1 } }], recovery: { within: '10s', stable: '1s' },
})

const auditSchema = z.looseObject({ audit: z.tuple([z.looseObject({ entries: z.array(z.looseObject({ who: z.string(), address: z.string(), request: z.string(), about: z.string().default('') })) })]) })
type Sighting = 'halts' | 'halts no more'
/** The agents that have this on record of a halt by its file, by node. */
async function sightings(request: Sighting, why: string): Promise<string[]> {
  return (await allSightings(why))(request)
}

async function allSightings(why: string): Promise<(request: Sighting) => string[]> {
  const { out, err, code } = await faultline('audit', '--cluster', '--since', '10m', '--json')
  assert.equal(code, 0, err)
  const entries = auditSchema.parse(JSON.parse(out)).audit[0].entries.filter(({ about, address }) => about.includes(why) && address !== 'the scheduler')
  return wanted => entries.filter(({ request }) => request === wanted).map(({ address }) => address).toSorted()
}

test('the ConfigMap ends a fault and its run, comes to every agent, and has new runs refused, until resume takes it away', async () => {
  const [pod] = await subject.ready()
  assert.ok(pod)
  const why = `for test ${process.pid}`
  const agents = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name in (injector, cluster-agent)', '--output', 'jsonpath={range .items[*]}{.spec.nodeName}{"\\n"}{end}')).trim().split('\n').length
  const { judged } = await scheduler.hold(pauseFor('5m'))
  const answered = subject.ask(pod) // comes back when the pause is over

  const halted = await faultline('halt', '--cluster', '--file', why)
  const haltedMs = performance.now()
  assert.deepEqual([halted.code, halted.err], [0, ''])
  assert.match(halted.out, /^halted by the ConfigMap faultline-halt in faultline-system: for test/)
  assert.equal(await answered, 'here')
  const overMs = performance.now() - haltedMs
  const facts = await judged
  assert.equal(judge(facts).verdict, 'inconclusive')
  assert.deepEqual(facts.flatMap(({ kind, fact }) => kind === 'fault.reverted' ? [fact.data.verified] : []), [true])
  await assert.rejects(scheduler.submit(pauseFor('2s')), new RegExp(why))
  let seen: string[] = []
  const toldMs = await until('every agent has seen it in its own mount', async () => (seen = await sightings('halts', why)).length === agents, 90_000, { lookMs: 500, now: () => seen.join(', ') })
  console.log(`the pause was over ${Math.round(overMs)} ms after the command; ${seen.join(', ')} had seen the ConfigMap ${Math.round(toldMs)} ms after that`)
  assert.equal(new Set(seen).size, agents, 'each once')

  const resumed = await faultline('resume', '--cluster')
  assert.equal(resumed.code, 0, resumed.err)
  await until('it is gone for every agent', async () => (seen = await sightings('halts no more', why)).length === agents, 90_000, { lookMs: 500, now: () => seen.join(', ') })
  assert.equal(judge(await scheduler.facts(await scheduler.submit(pauseFor('2s')))).verdict, 'passed')
})

test('resume has the pods look, too, when the ConfigMap was deleted by other means', async () => {
  const why = `once more for test ${process.pid}`
  const halted = await faultline('halt', '--cluster', '--file', why)
  assert.equal(halted.code, 0, halted.err)
  let seen: string[] = []
  await until('it is in the mounts', async () => (seen = await sightings('halts', why)).length > 0, 90_000, { lookMs: 500, now: () => seen.join(', ') })
  await inSystem('delete', 'configmap', 'faultline-halt')
  const { code, out, err } = await faultline('resume', '--cluster')
  assert.equal(code, 0, err)
  assert.match(out, /runs are taken again/)
  const isOver = async () => {
    const by = await allSightings(why)
    return (seen = by('halts').filter(agent => !by('halts no more').includes(agent))).length === 0
  }
  await until('no agent is halted any more', isOver, 90_000, { lookMs: 500, now: () => seen.join(', ') }) // else it would refuse what others try next
})
