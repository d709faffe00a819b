import assert from 'node:assert/strict'
import { test } from 'node:test'
import { campaignLabels, outlook, readCampaignObject, readChild, type CampaignObject, type ChildExperiment, type Deed } from '../../services/scheduler/campaign-object.ts'

const t0 = Date.parse('2026-01-01T00:00:00Z')
const experiment = {
  faults: [{ kind: 'pod-kill', target: { pods: { namespace: 'shop', labels: { app: 'shop' } } }, at: '1s' }],
  gates: [{ name: 'answers', promql: { query: 'vector(1)', min: 1 } }],
}
const one = (name: string, more: object = {}) => ({ kind: 'experiment', name, experiment, ...more })

/** A Campaign and the Experiments of its namespace; what is to be done is done, and what is to be written is written, as the API server would. */
function cluster(steps: object[], { strangers = [] as string[] } = {}) {
  let raw: Record<string, unknown> = { apiVersion: 'faultline.dev/v1alpha1', kind: 'Campaign', metadata: { name: 'c', namespace: 'ns', uid: 'u1', generation: 1 }, steps }
  let experiments: Record<string, unknown>[] = strangers.map(name => ({ metadata: { name } }))
  const object = (): CampaignObject => readCampaignObject(raw) ?? assert.fail('it is a Campaign')
  const nameOf = (each: Record<string, unknown>) => (each['metadata'] as { name: string }).name
  return {
    look(atMs = t0): string {
      const { status, deeds } = outlook(object(), experiments.flatMap((each): ChildExperiment[] => { const child = readChild(each); return child ? [child] : [] }), atMs)
      for (const deed of deeds) {
        if (deed.do === 'create') experiments.push(deed.body as Record<string, unknown>)
        else experiments = experiments.filter(each => nameOf(each) !== deed.name)
      }
      raw = { ...raw, status: JSON.parse(JSON.stringify(status)) as unknown }
      return printDeeds(deeds)
    },
    ends(name: string, verdict: string, reasons: string[] = []) {
      experiments = experiments.map(each => nameOf(each) === name ? { ...each, status: { verdict, reasons, conditions: [{ type: 'Complete', status: 'True' }] } } : each)
    },
    deletes(name: string) { experiments = experiments.filter(each => nameOf(each) !== name) },
    change(newSteps: object[]) { raw = { ...raw, metadata: { ...raw['metadata'] as object, generation: 2 }, steps: newSteps } },
    status: () => object().status ?? assert.fail('it has a status'),
    experiments: () => experiments,
    steps: () => object().status?.steps.map(({ name, state, verdict, reason }) => [name, verdict ?? state, ...(reason === undefined ? [] : [reason])].join(': ')),
  }
}
const printDeeds = (deeds: readonly Deed[]) => deeds.map(deed => `${deed.do} ${deed.name}`).join(', ')
const conditions = ({ status }: ReturnType<typeof cluster>) => status().conditions.map(({ type, status: is }) => `${type} ${is}`).join(', ')

test('steps are done one after another, each an Experiment that the Campaign owns, and all of them passed is passed', () => {
  const it = cluster([one('a'), one('b', { repeat: 2 })])
  assert.equal(it.look(), 'create c-a')
  const [made] = it.experiments() as [{ metadata: { labels: Record<string, string>; ownerReferences: object[]; namespace: string } }]
  assert.deepEqual(made.metadata.ownerReferences, [{ apiVersion: 'faultline.dev/v1alpha1', kind: 'Campaign', name: 'c', uid: 'u1', controller: true, blockOwnerDeletion: false }])
  assert.deepEqual([made.metadata.namespace, made.metadata.labels[campaignLabels.step]], ['ns', 'a'])
  assert.equal(it.look(), '', 'looked at again, nothing is done again')
  it.ends('c-a', 'passed')
  assert.equal(it.look(t0 + 5_000), 'create c-b-1')
  assert.deepEqual([it.status().progress, conditions(it)], ['b', 'Accepted True, Running True, Complete False, Passed Unknown'])
  it.ends('c-b-1', 'passed')
  assert.equal(it.look(t0 + 6_000), 'create c-b-2')
  it.ends('c-b-2', 'passed')
  assert.equal(it.look(t0 + 9_000), '')
  assert.deepEqual([it.status().phase, it.status().verdict, it.status().completedAt, conditions(it)], ['Judged', 'passed', '2026-01-01T00:00:09Z', 'Accepted True, Running False, Complete True, Passed True'])
  assert.equal(it.look(t0 + 99_000), '', 'what is over stays over')
})

test('after a failure only what is always done follows; what was skipped has shown nothing', () => {
  const it = cluster([one('a'), one('b'), one('c', { always: true })])
  it.look()
  it.ends('c-a', 'failed', ['errors: 3 % > 1 %'])
  assert.equal(it.look(), 'create c-c')
  it.ends('c-c', 'passed')
  it.look()
  assert.equal(it.status().verdict, 'failed')
  assert.deepEqual(it.steps(), ['a: failed: c-a: errors: 3 % > 1 %', 'b: skipped: a failed', 'c: passed: c-c: passed'])
})

test('branches go side by side, and what follows waits for all of them', () => {
  const it = cluster([{ kind: 'parallel', branches: [[one('a'), one('b')], [one('x')]] }, one('last', { needs: ['b', 'x'] })])
  assert.equal(it.look(), 'create c-a, create c-x')
  it.ends('c-a', 'passed')
  assert.equal(it.look(), 'create c-b')
  it.ends('c-b', 'passed')
  assert.equal(it.look(), '')
  it.ends('c-x', 'passed')
  assert.equal(it.look(), 'create c-last')
})

test('a step that takes too long is cancelled: its Experiment is deleted, and it is inconclusive', () => {
  const it = cluster([one('a', { timeout: '10s' })])
  it.look()
  assert.equal(it.look(t0 + 9_000), '')
  assert.equal(it.look(t0 + 10_000), 'delete c-a')
  assert.equal(it.look(t0 + 11_000), '')
  assert.deepEqual([it.status().verdict, ...it.steps() ?? []], ['inconclusive', 'a: inconclusive: it was not over after 10 s; its Experiment c-a was deleted'])
})

test('a step that is out of time between two of its runs makes no other', () => {
  const it = cluster([one('a', { repeat: 2, timeout: '10s' })])
  it.look()
  it.ends('c-a-1', 'passed')
  assert.equal(it.look(t0 + 11_000), '')
  assert.deepEqual([it.status().verdict, ...it.steps() ?? []], ['inconclusive', 'a: inconclusive: it was not over after 10 s; its next Experiment was not made any more'])
})

test('what is no Campaign, and no Experiment, is not taken for one', () => {
  assert.deepEqual([readCampaignObject({ kind: 'Campaign' }), readChild({ status: {} })], [undefined, undefined])
  assert.deepEqual(readChild({ metadata: { name: 'x', labels: { [campaignLabels.uid]: 'u' } } })?.campaign?.step, '')
})

test('an Experiment that somebody deletes is not made again, and one of its name that was there before is not taken for its own', () => {
  const deleted = cluster([one('a')])
  deleted.look()
  deleted.deletes('c-a')
  assert.equal(deleted.look(), '')
  assert.deepEqual(deleted.steps(), ['a: inconclusive: its Experiment c-a was deleted'])
  const inTheWay = cluster([one('a')], { strangers: ['c-a'] })
  assert.equal(inTheWay.look(), '')
  assert.match(inTheWay.steps()?.join() ?? '', /^a: failed: an Experiment c-a is there already, and is not of this Campaign/)
})

test('a Campaign that is changed deletes what it had made, and begins anew', () => {
  const it = cluster([one('a'), one('b')])
  it.look()
  it.change([one('b')])
  assert.equal(it.look(), 'delete c-a')
  assert.equal(it.look(), 'create c-b')
  assert.deepEqual([it.status().observedGeneration, it.steps()], [2, ['b: running']])
})

test('whatever is wrong with any of its steps or experiments is told before the first is run', () => {
  const wrong = cluster([one('a'), one('a'), one('b', { needs: ['c'] })])
  assert.equal(wrong.look(), '')
  assert.deepEqual([wrong.status().phase, conditions(wrong)], ['Refused', 'Accepted False, Running False, Complete True, Passed False'])
  assert.match(wrong.status().reasons.join('; '), /steps\[1\]\.name: expected a name of its own.*steps\[2\]\.needs\[0\]: expected the name of a step before it/)
  const broken = cluster([one('a'), one('b', { experiment: { faults: [] } })])
  assert.equal(broken.look(), '')
  assert.match(broken.status().reasons.join('; '), /^the experiment of b: /)
})

test('a refused Experiment fails its step', () => {
  const it = cluster([one('a')])
  it.look()
  const [made] = it.experiments()
  Object.assign(made ?? {}, { status: { reasons: ['gates[0]: expected'], conditions: [{ type: 'Complete', status: 'True' }] } })
  it.look()
  assert.deepEqual(it.steps(), ['a: failed: c-a: gates[0]: expected'])
  const silent = cluster([one('a')])
  silent.look()
  Object.assign(silent.experiments()[0] ?? {}, { status: { conditions: [{ type: 'Complete', status: 'True' }] } })
  silent.look()
  assert.deepEqual(silent.steps(), ['a: failed: c-a: refused'])
})
