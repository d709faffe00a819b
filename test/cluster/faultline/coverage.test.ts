/** `faultline coverage --cluster`, as a user types it. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { coverageSchema, type Coverage } from '#shared/coverage.ts'
import { judge } from '#shared/verdict.ts'
import { startFaultline } from '../../parts/faultline-command.ts'
import { until } from '../../parts/until.ts'
import { forwardScheduler, installed, type ForwardedScheduler } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

const owned = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'faultline-coverage-'))
owned.defer(() => rmSync(folder, { recursive: true }))
const version = '1.4'
let scheduler: ForwardedScheduler
let subject: Subject
before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-coverage', optedIn: true, version }))
})
after(() => owned.disposeAsync())

const podKill = () => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'coverage' }, lease: '15s', // a busy machine is not what is tried here
  faults: [{ kind: 'pod-kill', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' }, pick: 'one' } }, at: '1s' }],
  gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }], recovery: { within: '10s', stable: '1s' },
})

async function coverage(...more: string[]): Promise<Coverage> {
  await using command = startFaultline(['coverage', '--cluster', '--json', ...more], { temporary: folder })
  const { code, out, err } = await command.ended
  assert.equal(code, 0, err)
  return coverageSchema.parse(JSON.parse(out))
}
const subjectIn = ({ services }: Coverage) => services.find(({ namespace, app }) => namespace === subject.namespace && app === 'subject')

test('a service is covered by its first fault, with the verdict of the run and the version of its pods\' label; nothing is listed that has not opted in', async () => {
  await subject.ready()
  const run = await scheduler.submit(podKill())
  const judgement = judge(await scheduler.facts(run))
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('; '))
  let seen = await coverage()
  await until('the scheduler that is asked has heard of the verdict', async () => (subjectIn(seen = await coverage())?.cells.length ?? 0) > 0, 30_000, { now: () => JSON.stringify(seen) })
  const covered = subjectIn(seen)
  assert.ok(covered)
  const [{ atMs, ...cell } = { atMs: 0 }] = covered.cells
  assert.deepEqual([covered.present, covered.versions, cell], [true, [version], { kind: 'pod-kill', verdict: 'passed', run, experiment: 'coverage', version, stale: false }])
  assert.ok(Math.abs(Date.now() - atMs) < 120_000)
  assert.equal(seen.unknown, null)
  assert.ok(seen.services.every(({ namespace }) => namespace !== 'faultline-system' && namespace !== 'kube-system'))
})

test('it is a page too, and a verdict older than may be is stale', async () => {
  const html = join(folder, 'coverage.html')
  const old = await coverage('--stale-after', '1s', '--html', html)
  assert.equal(subjectIn(old)?.cells[0]?.stale, true)
  assert.match(readFileSync(html, 'utf8'), /faultline-test-coverage\/subject[^]*✓ passed/)
})
