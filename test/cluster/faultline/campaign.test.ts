/** `faultline campaign FILE` as a user types it, on a cluster without faultline. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { uninstall } from '../../../services/cli/install/install.ts'
import { namespace } from '../../../services/cli/install/secret.ts'
import { startFaultline } from '../../parts/faultline-command.ts'
import { images } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

const owned = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'faultline-campaign-'))
owned.defer(() => rmSync(folder, { recursive: true }))
let subject: Subject
before(async () => {
  await uninstall({ patienceS: 120 }, () => undefined)
  subject = owned.use(await startSubject({ namespace: 'faultline-test-campaign', optedIn: true }))
  await subject.ready()
})
after(() => owned.disposeAsync())

const outcomeSchema = z.object({
  verdict: z.string(), exitCode: z.number(),
  steps: z.array(z.object({ name: z.string(), verdict: z.string(), why: z.string(), bars: z.array(z.object({ name: z.string(), met: z.boolean() })) })),
})

test('a campaign installs, runs an experiment, stops at a failing step, and still reports and cleans up', async () => {
  writeFileSync(join(folder, 'pause.yaml'), `apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: pause}
lease: 15s # a busy machine is not what is tried here
faults:
  - {kind: pod-pause, target: {pods: {namespace: ${subject.namespace}, labels: {app: subject}, pick: one}}, at: 1s, duration: 2s}
gates:
  - {name: agents-are-seen, phase: during, promql: {query: 'sum(up{job="injector"})', min: 1}}
recovery: {within: 20s, stable: 1s}
`)
  writeFileSync(join(folder, 'campaign.yaml'), `apiVersion: faultline.dev/v1alpha1
kind: Campaign
metadata: {name: small}
steps:
  - {kind: preflight, name: look, checks: [cluster, permissions, nodes], nodes: 1}
  - {kind: install, name: install}
  - {kind: preflight, name: ready, checks: [agents, opt-in], namespaces: [${subject.namespace}]}
  - {kind: experiment, name: pause, file: pause.yaml}
  - {kind: preflight, name: too-much, checks: [nodes], nodes: 1000}
  - {kind: experiment, name: never, file: pause.yaml}
  - {kind: report, name: report, always: true}
  - {kind: clean-up, name: clean-up, always: true}
`)
  const results = join(folder, 'results')
  await using campaign = startFaultline(['campaign', join(folder, 'campaign.yaml'), '--results', results, '--registry', images.registry, '--version', images.version, '--json'], { temporary: folder })
  const { code, out, err } = await campaign.ended
  assert.equal(code, 1, `${err}\n${out}`)
  const { verdict, steps } = outcomeSchema.parse(JSON.parse(out))
  assert.equal(verdict, 'failed')
  assert.deepEqual(steps.map(step => `${step.name} ${step.verdict}`), [
    'look passed', 'install passed', 'ready passed', 'pause passed', 'too-much failed', 'never skipped', 'report passed', 'clean-up passed',
  ], err)
  assert.match(steps.find(({ name }) => name === 'never')?.why ?? '', /too-much failed/)
  assert.match(steps.find(({ name }) => name === 'clean-up')?.why ?? '', /removed faultline/)
  assert.equal(await kubectl(['get', 'namespace', namespace, '--ignore-not-found', '--output', 'name']), '')
  assert.match(err, /\[4\/8 pause\] .*injected 1-pod-pause/)

  const [run = ''] = readdirSync(results)
  const files = readdirSync(join(results, run)).sort()
  assert.deepEqual(files, ['chaos-report.html', 'chaos-report.md', 'events.jsonl', 'junit.xml', 'report.html', 'report.md', 'runs', 'verdict.json'])
  assert.match(readFileSync(join(results, run, 'chaos-report.md'), 'utf8'), /## pause: passed/)
})
