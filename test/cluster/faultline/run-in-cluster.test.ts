/** `faultline run|plan|abort --cluster`, as a user types them. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { temporaryFolder } from '../../parts/child.ts'
import { runFaultline, startFaultline, type FaultlineCommand } from '../../parts/faultline-command.ts'
import { installed, inSystem } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

const owned = new AsyncDisposableStack()
const { path: folder } = owned.use(temporaryFolder('faultline-in-cluster'))
const faultline = (...words: string[]) => runFaultline(words, { temporary: folder })
let subject: Subject
before(async () => {
  await installed()
  subject = owned.use(await startSubject({ namespace: 'faultline-test-command', optedIn: true }))
  await subject.ready()
})
after(() => owned.disposeAsync())

function experimentFile(name: string, duration: string, namespace = subject.namespace): string {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, `apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: ${name}}
faults:
  - {kind: pod-pause, target: {pods: {namespace: ${namespace}, labels: {app: subject}, pick: one}}, at: 1s, duration: ${duration}}
gates:
  - {name: agents-are-seen, phase: during, promql: {query: 'sum(up{job="injector"})', min: 1}}
recovery: {within: 20s, stable: 1s}
`)
  return file
}

const startRun = (...options: string[]) => startFaultline(['run', '--cluster', ...options], { temporary: folder })

/** Resolves as soon as the command has said it on standard error. */
function says({ child, ended }: FaultlineCommand, what: RegExp): Promise<void> {
  let said = ''
  return new Promise((resolve, reject) => {
    child.stderr?.on('data', chunk => {
      said += String(chunk)
      if (what.test(said)) resolve()
    })
    void ended.then(({ out, err }) => reject(new Error(`it never said ${what}: ${err}${out}`)))
  })
}

const answers = async () => (await Promise.all((await subject.pods()).map(pod => subject.ask(pod)))).every(heard => heard === 'here')

test('a plan names each pod that may be hit, its agent, the deed and its undo, and touches nothing', async () => {
  const pods = await subject.ready()
  const { code, out, err } = await faultline('plan', '--cluster', experimentFile('planned', '10s'), '--json')
  assert.equal(code, 0, out + err)
  const plan = z.object({
    cluster: z.string(),
    experiments: z.tuple([z.object({ faults: z.tuple([z.object({ takes: z.number(), candidates: z.array(z.object({ id: z.string(), agent: z.string(), steps: z.array(z.object({ act: z.string(), undo: z.string() })) })) })]) })]),
  }).parse(JSON.parse(out))
  const [{ faults: [{ takes, candidates }] }] = plan.experiments
  assert.equal(takes, 1)
  assert.deepEqual(new Set(candidates.map(({ id, agent }) => `${id} ${agent}`)), new Set(pods.map(({ uid, node }) => `pod:${uid} ${node}`)))
  assert.ok(candidates.every(({ steps: [step] }) => step?.act.startsWith('kill -STOP') && step.undo.startsWith('kill -CONT')))
  assert.deepEqual(await subject.pods(), pods)

  const refused = await faultline('plan', '--cluster', experimentFile('refused', '10s', 'kube-system'))
  assert.equal(refused.code, 2)
  assert.match(refused.out, /kube-system is never touched/)
})

test('a run goes on when the scheduler is replaced in mid-fault; the verdict and the results are there', async () => {
  const results = join(folder, 'replaced')
  await using running = startRun(experimentFile('replaced', '15s'), '--results', results)
  await says(running, /injected 1-pod-pause/)
  await inSystem('delete', 'pod', '--selector', 'app.kubernetes.io/name=scheduler', '--grace-period=0', '--force')
  const { code, out, err } = await running.ended
  assert.ok(code === 0 || code === 2, err) // the lease may lapse while nobody renews it
  assert.match(out, /^(?:passed|inconclusive) {2}replaced {2}/)
  const [run = ''] = readdirSync(results)
  const lines = readFileSync(join(results, run, 'events.jsonl'), 'utf8').trim().split('\n').map(line => z.object({ stream: z.number() }).parse(JSON.parse(line)).stream)
  assert.deepEqual(lines, [...new Set(lines)].sort((a, b) => a - b))
  assert.ok(await answers())
})

test('Ctrl-C aborts the run in the cluster: exit code 2, and the pod goes on at once', async () => {
  await using running = startRun(experimentFile('interrupted', '60s'), '--results', join(folder, 'interrupted'))
  await says(running, /injected 1-pod-pause/)
  const askedMs = performance.now()
  running.child.kill('SIGINT')
  const { code, out } = await running.ended
  assert.ok(performance.now() - askedMs < 30_000)
  assert.equal(code, 2)
  assert.match(out, /^inconclusive {2}interrupted {2}/)
  assert.ok(await answers())
})

test('abort --cluster ends a run that another command watches', async () => {
  await using running = startRun(experimentFile('aborted', '60s'), '--results', join(folder, 'aborted'))
  await says(running, /injected 1-pod-pause/)
  const { code, out, err } = await faultline('abort', '--cluster', '--all')
  assert.equal(code, 0, out + err)
  assert.match(out, /^aborted aborted-/)
  assert.equal((await running.ended).code, 2)
  assert.equal((await faultline('abort', '--cluster', '--all')).code, 3)
})

test('a context or a namespace that is not there is said so, and nothing starts', async () => {
  const file = experimentFile('nowhere', '1s')
  for (const [args, code, why] of [[['--context', 'nowhere'], 3, /has no context nowhere; it has faultline/], [['--cluster', '--namespace', 'default'], 4, /not installed in default/]] as const) {
    const ended = await faultline('run', file, ...args, '--results', join(folder, 'nowhere'))
    assert.equal(ended.code, code, ended.err)
    assert.match(ended.err, why)
  }
})
