import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StoredFact } from '#shared/events.ts'
import { reports } from '#shared/gate-core.ts'
import { judge } from '#shared/verdict.ts'
import { pageAddress } from '../../services/cli/page-address.ts'
import { emptyLiveRun, foldLive, newsOf, type LiveRun } from '../../services/scheduler/live-news.ts'
import { coverageView } from '../../services/scheduler/page/coverage-view.ts'
import { html, textOf, type Child, type Content, type Element } from '../../services/scheduler/page/element.ts'
import { splitEvents } from '../../services/scheduler/page/event-stream.ts'
import { brief, relative, roughly, ticks, timeStepMs } from '../../services/scheduler/page/figures.ts'
import { frame } from '../../services/scheduler/page/frame.ts'
import { policiesView } from '../../services/scheduler/page/policies-view.ts'
import { plot } from '../../services/scheduler/page/plot.ts'
import { emptyRun, standing, take, type RunView } from '../../services/scheduler/page/run-fold.ts'
import { runView } from '../../services/scheduler/page/run-view.ts'
import { matching, runsPerPage, runsView } from '../../services/scheduler/page/runs-view.ts'
import { emptyState, routeOf, signedOut, type State } from '../../services/scheduler/page/state.ts'
import type { News, RunSummary } from '../../services/scheduler/page/wire.ts'
import { errorsGate, injectedMs, LogBuilder, logOf, promGate, revertedMs, sample, t0, type Story } from '../parts/verdict-log-builder.ts'

const hostile = '<img src=x onerror=alert(1)>\u202e'
const steadyGate = { name: 'calm', phase: 'steady', errorRate: { max: '1%' } }
const backGate = { name: 'back', phase: 'recovery', errorRate: { max: '1%' } }
const abortMs = injectedMs + 2_200
const failing = (atMs: number) => atMs > injectedMs && atMs <= abortMs ? { ok: {}, failed: { 900: 10 } } : {}
const abortedStory: Story = { gates: [steadyGate, { ...errorsGate, consecutive: 2 }, backGate], sampleAt: failing, abort: { cause: 'gate', detail: 'errors: broken', gate: 'errors', atMs: abortMs } }

function withVerdict(facts: readonly StoredFact[]): StoredFact[] {
  const { verdict, reasons, revertUnconfirmed } = judge(facts)
  const log = new LogBuilder()
  log.facts.push(...facts)
  return log.add('run.judged', { verdict, reasons, revertUnconfirmed }).facts
}

const all = (facts: readonly StoredFact[]): LiveRun => facts.reduce(foldLive, emptyLiveRun('r1'))
const atOnce = (facts: readonly StoredFact[]): RunView => take(emptyRun('r1'), newsOf(emptyLiveRun('r1'), all(facts), t0) ?? assert.fail('there is news'))

/** As the scheduler sends it: what is new, now and then. */
function inParts(facts: readonly StoredFact[], sizes: readonly number[]): RunView {
  let [sent, state, view] = [emptyLiveRun('r1'), emptyLiveRun('r1'), emptyRun('r1')]
  let left = [...facts]
  for (let turn = 0; left.length > 0; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    state = left.slice(0, size).reduce(foldLive, state)
    left = left.slice(size)
    const news = newsOf(sent, state, t0)
    sent = state
    if (news) view = take(view, JSON.parse(JSON.stringify(news)) as News)
  }
  return view
}

const elementsIn = (content: Content): Element[] => {
  if (Array.isArray(content)) return content.flatMap(elementsIn)
  return typeof content === 'object' && content !== null && 'tag' in content ? [content, ...content.children.flatMap((child: Child) => elementsIn(child))] : []
}
const textIn = (content: Content): string => html('div', {}, content).children.map(textOf).join(' ')
const byTag = (content: Content, tag: string) => elementsIn(content).filter(element => element.tag === tag)
const stateOf = (run: RunView | undefined, more: Partial<State> = {}): State => ({ ...emptyState, token: 't', ...(run && { run, route: { view: 'run', run: run.run } }), ...more })

test('what is told in parts, of whatever size, amounts to what is told at once', () => {
  const facts = withVerdict(logOf(abortedStory))
  const { latestMs: _, ...whole } = atOnce(facts)
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }), sizes => {
    const { latestMs: __, ...told } = inParts(facts, sizes)
    assert.deepEqual(told, whole)
  }), { numRuns: 60 })
})

test('looks, statuses and evidence are those of the fold that the evaluator and the verdict share', () => {
  for (const story of [abortedStory, { gates: [errorsGate, backGate] }, { load: false, gates: [promGate], answerAt: () => ({ is: 'value', value: 0.5 }) }] satisfies Story[]) {
    const facts = logOf(story)
    const state = all(facts)
    const view = inParts(facts, [7, 1, 30])
    for (const { gate, phase, status, evidence } of reports(state.gates)) {
      const shown = view.gates.get(`${phase}/${gate}`) ?? assert.fail(`${phase}/${gate} is shown`)
      assert.deepEqual([shown.status, shown.evidence], [status, evidence])
      const watch = [...state.gates.watches, ...state.gates.recovery].find(watch => watch.gate.name === gate && watch.phase === phase) ?? assert.fail('it has a watch')
      assert.deepEqual(shown.looks.map(({ endMs }) => endMs), watch.looks.map(({ endMs }) => endMs))
    }
  }
})

test('every second of a long load is there, not only the last ones', () => {
  const log = new LogBuilder()
  for (let endMs = t0 + 200; endMs <= t0 + 90_000; endMs += 200) log.add('load.sample', sample(endMs))
  for (const { load } of [atOnce(log.facts), inParts(log.facts, [11])]) {
    assert.deepEqual(load.map(({ startMs }) => startMs), Array.from({ length: 90 }, (_, index) => t0 + index * 1_000))
    assert.ok(load.every(({ requestsPerSecond }) => requestsPerSecond > 40))
  }
})

test('samples and answers are not sent as they are', () => {
  const news = newsOf(emptyLiveRun('r1'), all(logOf({ gates: [errorsGate, promGate], answerAt: () => ({ is: 'value', value: 0 }) })), t0)
  assert.deepEqual([...new Set(news?.facts?.map(({ kind }) => kind))].sort(), ['fault.injected', 'fault.reverted', 'load.state', 'run.phase', 'run.sealed', 'run.submitted'])
  assert.equal(newsOf(all([]), all([]), t0), undefined)
})

test('the page of a run shows phases, faults, limits, evidence and verdict', () => {
  const view = atOnce(withVerdict(logOf(abortedStory)))
  const shown = runView(stateOf(view), t0 + 40_000)
  const text = textIn(shown)
  for (const words of ['scripted', 'failed', '1-pause', 'postgres', 'calm', '≤ 10 %', 'breached', 'aborting (gate)', 'ended by abort', '10 of 10 users']) assert.ok(text.includes(words) || byTag(shown, 'svg').some(({ attributes }) => attributes['aria-label']?.includes(words)), words)
  assert.deepEqual(byTag(shown, 'figure').map(({ attributes }) => attributes['id']).filter(Boolean), ['plot-gate-calm', 'plot-gate-errors', 'plot-gate-back', 'plot-requests', 'plot-bad', 'plot-p95'])
  assert.ok(byTag(shown, 'rect').some(({ attributes }) => attributes['class'] === 'span'), 'the fault is shaded')
  assert.ok(byTag(shown, 'line').some(({ attributes }) => attributes['class'] === 'limit'))
  assert.ok(byTag(shown, 'svg').filter(({ attributes }) => attributes['role'] === 'img').every(({ attributes }) => (attributes['aria-label'] ?? '').length > 20))
  assert.equal(byTag(shown, 'button').length, 0, 'what is over cannot be aborted')
})

test('a run under way can be aborted, once, and its gates say how much of their evidence is there', () => {
  const facts = logOf({ gates: [errorsGate], seal: false }).filter(({ kind, stream }) => stream < 150 || kind === 'run.submitted')
  const view = atOnce(facts)
  const [button] = byTag(runView(stateOf(view), t0 + 8_000), 'button')
  assert.deepEqual([button?.attributes['data-do'], button?.attributes['data-run'], button?.attributes['aria-disabled']], ['ask-abort', 'r1', undefined])
  const [progress] = byTag(runView(stateOf(view), t0 + 8_000), 'progress')
  const looks = view.gates.get('during/errors')?.looks.length ?? 0
  assert.ok(looks > 0)
  assert.deepEqual([progress?.attributes['max'], progress?.attributes['value']], ['10', String(looks)])
  const log = new LogBuilder()
  log.facts.push(...facts)
  const [aborting] = byTag(runView(stateOf(atOnce(log.add('run.aborting', { cause: 'user', detail: 'aborted by a user', atMs: t0 + 8_100, clock: 'c' }).facts)), t0 + 8_200), 'button')
  assert.equal(aborting?.attributes['aria-disabled'], 'true')
})

test('a fault is told in each of its states, on each node, whatever was heard first', () => {
  const target = { id: 'process:1:2', pid: 1, startTicks: 2, description: 'redis-server' }
  const common = { kind: 'pause', targets: [target], readBack: [], clock: 'c' }
  const log = new LogBuilder().add('run.submitted', { experiment: { kind: 'of a later version' }, experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
    .add('fault.injected', { ...common, fault: '1-pause', node: 'n1', verified: false, requestedAtMs: t0, injectedAtMs: t0 })
    .add('fault.injected', { ...common, fault: '1-pause', node: 'n2', verified: true, requestedAtMs: t0, injectedAtMs: t0 + 10 })
    .add('fault.lapsed', { fault: '1-pause', kind: 'pause', node: 'n2', atMs: t0 + 3_000 })
    .add('fault.refused', { fault: '2-pause', kind: 'pause', node: 'n1', why: 'busy' })
    .add('fault.lapsed', { fault: '3-pause', kind: 'pause', node: 'n1', atMs: t0 })
    .add('fault.reverted', { ...common, fault: '4-pause', node: 'n1', cause: 'restart', verified: false, revertedAtMs: t0 })
    .add('fault.injected', { ...common, fault: '5-pause', node: 'n1', verified: true, requestedAtMs: t0, injectedAtMs: t0 })
    .add('fault.refused', { fault: '5-pause', kind: 'pause', node: 'n1', why: 'once more' })
    .add('run.phase', { phase: 'hold', atMs: t0 }).add('run.phase', { phase: 'hold', atMs: t0 + 9 }).add('run.services', { when: 'begin', services: [], atMs: t0 })
  const view = atOnce(log.facts)
  const rows = byTag(runView(stateOf(view), t0 + 9_000), 'tr').map(textOf).filter(text => /^ ?\d-pause/.test(text))
  assert.deepEqual(rows.map(row => row.replaceAll(/ +/g, ' ').trim()), [
    '1-pause pauseon n1 ✗ not confirmed in an instant redis-server', '1-pause pauseon n2 ✗ lapsed 3 s, ended by its lease redis-server', '2-pause pauseon n1 ✗ refusedbusy –',
    '3-pause pauseon n1 ✗ lapsed –', '4-pause pauseon n1 ✗ revert not confirmed – redis-server', '5-pause pauseon n1 ✗ refusedonce more in an instant redis-server',
  ])
  assert.deepEqual(view.phases, [{ phase: 'hold', atMs: t0 }])
  assert.match(textIn(runView(stateOf(view), t0)), /experiment is not known yet/)
})

test('gates on probes, with two limits, and of a run without load are told as they are', () => {
  const gates = [
    { name: 'between', promql: { query: 'vector(2)', min: 1, max: 3 } }, { name: 'back', phase: 'recovery', promql: { query: 'vector(2)', min: 1 } }, { name: 'soon', recoveryTime: { probe: 'home', max: '5s' } },
  ]
  const experiment = {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'probed' }, probes: [{ name: 'home', http: { endpoint: 'shop', path: '/' } }],
    faults: [{ kind: 'kill', at: '1s', target: { process: { match: 'worker' } } }], gates,
  }
  const log = new LogBuilder().add('run.submitted', { experiment, experimentHash: 'x', file: 'probed.yaml', epoch: { bucketCreatedMs: 0, revision: 1 } })
    .add('probe.opened', { node: 'n1', probes: ['home'], atMs: t0, clock: 'c' })
    .add('run.phase', { phase: 'steady', atMs: t0 }).add('run.phase', { phase: 'inject', atMs: t0 + 1_000 })
    .add('fault.injected', { fault: '1-kill', kind: 'kill', node: 'n1', targets: [{ id: 'process:1:2', pid: 1, startTicks: 2, description: 'worker' }], verified: true, readBack: [], requestedAtMs: t0, injectedAtMs: t0 + 1_000, clock: 'c' })
    .add('run.phase', { phase: 'revert', atMs: t0 + 2_000 }).add('run.phase', { phase: 'recover', atMs: t0 + 2_000 })
  const view = inParts(log.facts, [1])
  assert.deepEqual([view.plan?.file, view.plan?.load, view.plan?.probes, view.plan?.description], ['probed.yaml', null, [{ name: 'home', kind: 'http' }], null])
  assert.deepEqual(view.plan?.gates.map(({ limits }) => limits.map(({ value }) => value)), [[3, 1], [1], [5]])
  assert.deepEqual([view.gates.get('recovery/soon')?.dueLooks, view.gates.get('recovery/soon')?.looks, view.gates.get('recovery/back')?.dueLooks], [null, [], 3])
  assert.match(textIn(runView(stateOf(view), t0 + 3_000)), /none of its own.*≤ 3, ≥ 1/)
})

test('where a run stands is one word: what it waits for, that it is being aborted, its verdict', () => {
  const empty = emptyRun('r1')
  const abort = { cause: 'user', detail: 'd', atMs: t0, clock: 'c' } as const
  const views: RunView[] = [empty, { ...empty, phases: [{ phase: 'steady', atMs: t0 }, { phase: 'hold', atMs: t0 }] }, { ...empty, abort }, { ...empty, abort, sealedAtMs: t0 }, { ...empty, sealedAtMs: t0, judged: { verdict: 'failed', reasons: [], revertUnconfirmed: true } }]
  assert.deepEqual(views.map(standing), ['submitted', 'hold', 'aborting', 'sealed', 'failed'])
  assert.match(textIn(runView(stateOf(views[4]), t0)), /NOT CONFIRMED/)
})

test('probes are told as each node sees them: states, attempts, ledgers', () => {
  const log = new LogBuilder().add('probe.opened', { node: 'n1', probes: ['orders', 'home'], atMs: t0, clock: 'c' })
    .add('probe.state', { node: 'n1', probe: 'orders', state: 'down', why: 'refused', atMs: t0, clock: 'c' })
    .add('probe.samples', { node: 'n1', probe: 'orders', slots: [[t0, 12, 'ok'], [t0 + 100, 30, 'failed'], [t0 + 200, 3, 'unconfirmed']], errors: { refused: 1 }, clock: 'c' })
    .add('probe.state', { node: 'n1', probe: 'home', state: 'up', atMs: t0, clock: 'c' })
    .add('probe.refused', { node: 'n2', probe: 'home', why: 'no endpoint', atMs: t0 })
    .add('probe.ledger', { node: 'n1', probe: 'orders', attempted: 3, acknowledged: 1, missing: 1, unread: 0, unconfirmed: 1, unconfirmedMissing: 0, missingIds: ['a'], atMs: t0, clock: 'c' })
  const probeRows = (view: RunView) => byTag(runView(stateOf(view), t0), 'tr').map(textOf).filter(text => /^ ?(?:orders|home)/.test(text))
  const view = atOnce(log.facts)
  assert.deepEqual(view.probes.get('orders on n1')?.slots, [{ probe: 'orders', node: 'n1', atMs: t0, ok: 1, failed: 2, slowestMs: 30 }])
  assert.deepEqual(probeRows(view).map(row => row.trim()), ['orders n1 ✗ downrefused 2 of 3 failed 1 of 1 missing', 'home n1 ✓ up – –', 'home n2 ✗ refusedno endpoint – –'])
  assert.ok(byTag(runView(stateOf(view), t0), 'figure').some(({ attributes }) => attributes['id'] === 'plot-probe-0'))
  const closed = atOnce(log.add('probe.closed', { node: 'n1', atMs: t0 }).add('probe.closed', { node: 'n2', atMs: t0 }).facts)
  assert.deepEqual([...closed.probes.values()].map(({ state }) => state), ['closed', 'closed', 'refused'])
})

test('a look without data is a hole in the curve and fills no evidence', () => {
  const view = inParts(logOf({ load: false, gates: [promGate], answerAt: atMs => atMs === t0 + 9_000 ? { is: 'no-data', why: 'no series' } : { is: 'value', value: 0.5 } }), [5])
  const looks = view.gates.get('during/asked')?.looks ?? []
  assert.deepEqual(looks.filter(({ value }) => value === null).map(({ endMs }) => endMs), [t0 + 9_000])
  const [path] = byTag(plot({
    id: 'p', title: 'p', axis: { fromMs: t0, toMs: revertedMs, width: 600 }, unit: String, limits: [], spans: [], marks: [],
    curves: [{ label: 'p', tone: 'plain', points: looks.map(({ endMs, value }) => ({ atMs: endMs, value })) }],
  }), 'path')
  assert.equal(path?.attributes['d']?.match(/M/g)?.length, 2)
})

test('a plot of a hundred thousand points is drawn in few, and loses no peak', () => {
  const points = Array.from({ length: 100_000 }, (_, index) => ({ atMs: index, value: index === 77_777 ? 900 : 1 }))
  const given = plot({ id: 'p', title: 'p', axis: { fromMs: 0, toMs: 100_000, width: 900 }, unit: String, curves: [{ label: 'p', tone: 'plain', points }], limits: [], spans: [], marks: [] })
  const path = byTag(given, 'path').find(({ attributes }) => attributes['class'] === 'curve plain')?.attributes['d'] ?? ''
  assert.ok(path.split(/[ML]/).length < 1_000)
  const heights = [...path.matchAll(/,([\d.]+)/g)].map(([, y]) => Number(y))
  assert.ok(Math.min(...heights) < 25 && Math.max(...heights) > 100)
  assert.ok(byTag(given, 'tr').length <= 42)
})

test('others\' words are text wherever they stand, and what would turn a line around is made visible', () => {
  const summary: RunSummary = { run: hostile, experiment: hostile, phase: 'hold', submittedAt: '2026-01-01T00:00:00.000Z', verdict: null, aborting: hostile }
  const run: RunView = { ...emptyRun(hostile), startMs: t0, abort: { cause: 'user', detail: hostile, atMs: t0, clock: 'c' }, gates: new Map(), plan: {
    experiment: hostile, description: hostile, file: hostile, submittedAtMs: t0, load: { users: 1, host: hostile }, steadyMs: 0, holdMs: 0, leaseMs: 0, recovery: { withinMs: 0, stableMs: 0 },
    faults: [{ id: hostile, kind: hostile, atMs: 0, durationMs: null, target: hostile }], probes: [], gates: [{ name: hostile, kind: 'promql', phase: 'during', source: 'prometheus', description: hostile, limits: [], consecutive: 1 }],
  } }
  const states = [
    stateOf(undefined, { runs: new Map([[hostile, summary]]), runsAreKnown: true, halt: { is: 'there', value: { halted: true, why: hostile, by: hostile } }, problem: hostile, announcement: hostile }),
    stateOf(run, { dialog: { ask: 'abort', run: hostile } }),
    stateOf(undefined, { route: { view: 'coverage' }, coverage: { is: 'there', value: { kinds: [hostile], unknown: hostile, discoveredAtMs: t0, services: [{ namespace: hostile, app: hostile, versions: [hostile], present: true, cells: [{ kind: hostile, verdict: 'passed', run: hostile, experiment: hostile, atMs: t0, version: hostile, stale: true }] }] } } }),
    stateOf(undefined, { route: { view: 'policies' }, policies: { is: 'there', value: { policies: [{ name: hostile, state: 'active', reason: hostile, nextAtMs: t0, upcoming: [{ atMs: t0, experiment: hostile }], recent: [{ atMs: t0, experiment: hostile, run: hostile, outcome: hostile }], budgets: [{ slo: hostile, remainingRatio: null, why: hostile }] }] } } }),
  ]
  for (const state of states) {
    const drawn = frame(state, t0)
    assert.equal(byTag(drawn, 'img').length + byTag(drawn, 'script').length, 0)
    assert.ok(textIn(drawn).includes('<img src=x onerror=alert(1)>\\u{202e}'))
    for (const { attributes } of elementsIn(drawn)) {
      assert.deepEqual(Object.keys(attributes).filter(name => name.startsWith('on') || name === 'style'), [])
      assert.match(attributes['href'] ?? '#', /^#/)
    }
  }
})

test('a page of the list holds fifty of a thousand runs, the newest first, and the filter goes through all', () => {
  const runs = new Map(Array.from({ length: 1_000 }, (_, index): [string, RunSummary] => {
    const verdict = ['passed', 'failed', 'inconclusive', null][index % 4] ?? null
    return [`r-${index}`, { run: `r-${index}`, experiment: index % 10 === 0 ? 'tenth' : 'other', phase: verdict === null ? 'hold' : 'judged', submittedAt: new Date(t0 + index * 1_000).toISOString(), verdict, aborting: null }]
  }))
  const state = stateOf(undefined, { runs, runsAreKnown: true })
  const shown = byTag(runsView(state, t0), 'a').map(textOf)
  assert.equal(shown.length, runsPerPage)
  assert.deepEqual(shown.slice(0, 2), ['r-999', 'r-998'])
  assert.deepEqual(matching(runs.values(), { text: ' TENTH ', verdict: 'passed', page: 0 }).map(({ run }) => run).slice(0, 2), ['r-980', 'r-960'])
  assert.equal(matching(runs.values(), { text: '', verdict: 'under way', page: 0 }).length, 250)
  const last = byTag(runsView({ ...state, filter: { text: '', verdict: 'all', page: 99 } }, t0), 'a').map(textOf)
  assert.equal(last.at(-1), 'r-0')
})

test('what a token may not do is not offered, and it is told why; while nobody has said whose it is, the scheduler decides', () => {
  const underWay = atOnce(logOf({ gates: [errorsGate], seal: false }).filter(({ kind, stream }) => stream < 150 || kind === 'run.submitted'))
  const halted = { is: 'there', value: { halted: true } } as const
  const shown = (role: 'viewer' | 'operator' | 'admin' | undefined, more: Partial<State>) => {
    const drawn = frame(stateOf(underWay, { ...more, ...(role && { caller: { is: 'there', value: { name: 'who', role } } }) }), t0 + 8_000)
    return { deeds: byTag(drawn, 'button').map(({ attributes }) => attributes['data-do']).filter(deed => deed?.startsWith('ask-')), text: textIn(drawn) }
  }
  const running = { halt: { is: 'there', value: { halted: false } } } as const
  assert.deepEqual((['viewer', 'operator', 'admin', undefined] as const).map(role => shown(role, running).deeds), [[], ['ask-halt', 'ask-abort'], ['ask-halt', 'ask-abort'], ['ask-halt', 'ask-abort']])
  assert.deepEqual((['viewer', 'operator', 'admin', undefined] as const).map(role => shown(role, { halt: halted }).deeds), [[], ['ask-abort'], ['ask-resume', 'ask-abort'], ['ask-resume', 'ask-abort']])
  assert.match(shown('viewer', running).text, /who \(viewer\).*To abort it: Your token is a viewer's; this takes an operator's\./)
  assert.match(shown('operator', { halt: halted }).text, /To resume: Your token is an operator's; this takes an admin's\./)
  assert.doesNotMatch(shown('admin', { halt: halted }).text, /this takes/)
})

test('without a token nothing is shown but the way in, and signing out forgets all that was seen', () => {
  const seen = stateOf(atOnce(logOf()), { runs: new Map([['secret-run', { run: 'secret-run', experiment: 'e', phase: 'hold', submittedAt: '', verdict: null, aborting: null }]]) })
  const out = signedOut(seen, 'The scheduler does not take this token.')
  const drawn = frame(out, t0)
  assert.equal(byTag(drawn, 'table').length + byTag(drawn, 'nav').length, 0)
  assert.ok(!textIn(drawn).includes('secret-run') && textIn(drawn).includes('does not take this token'))
  assert.deepEqual([out.runs.size, out.run?.facts], [0, []])
})

test('coverage says what was never tried, what is stale, and that there is none', () => {
  const cell = { kind: 'pod-kill', verdict: 'failed', run: 'r 1', experiment: 'e', atMs: t0, version: '1.2', stale: true } as const
  const drawn = coverageView({ is: 'there', value: { kinds: ['pod-kill', 'pod-pause'], discoveredAtMs: t0, unknown: null, services: [{ namespace: 'shop', app: 'web', versions: ['1.3'], present: true, cells: [cell] }] } }, t0 + 60_000)
  assert.match(textIn(drawn), /shop\/web ?1\.3.*✗ failed ?1 m ago, 1\.2, stale.*never tried/)
  const same = coverageView({ is: 'there', value: { kinds: ['pod-kill'], discoveredAtMs: t0, unknown: null, services: [{ namespace: 'shop', app: 'web', versions: ['1.2'], present: true, cells: [{ ...cell, stale: false }] }] } }, t0 + 60_000)
  assert.match(textIn(same), /1 m ago$/, 'of the version that is there')
  assert.deepEqual(byTag(drawn, 'a').map(({ attributes }) => attributes['href']), ['#/runs/r%201'])
  assert.match(textIn(coverageView({ is: 'absent' }, t0)), /keeps no coverage/)
})

test('a policy shows its state, budgets, and its days in order, past and planned', () => {
  const drawn = policiesView({ is: 'there', value: { policies: [{
    name: 'steady-drip', state: 'paused', reason: 'a failed verdict', nextAtMs: null, upcoming: [{ atMs: t0 + 90_000_000, experiment: 'later' }],
    recent: [{ atMs: t0, experiment: 'earlier', run: 'r1', outcome: 'failed' }], budgets: [{ slo: 'errors', remainingRatio: 0.42, why: null }, { slo: 'p95', remainingRatio: null, why: 'no series' }],
  }] } }, t0)
  assert.match(textIn(drawn), /steady-drip.*paused.*a failed verdict.*42 % remains.*unknown: no series.*earlier.*failed.*later.*planned/)
  assert.equal(byTag(drawn, 'ol').find(({ attributes }) => attributes['class'] === 'calendar')?.children.length, 2)
  assert.match(textIn(policiesView({ is: 'absent' }, t0)), /no policies/)
})

test('a stream is cut at its events wherever it was cut on its way, and comments are none', () => {
  const sent = [{ event: 'runs', data: [1] }, { event: 'run', data: { run: 'a\nb' } }]
  const text = `: still here\n\n${sent.map(({ event, data }) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join(': still here\n\n')}`
  fc.assert(fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), cuts => {
    const ends = [...cuts, text.length].sort((a, b) => a - b)
    let rest = ''
    const events = ends.flatMap((end, index) => {
      const split = splitEvents(rest + text.slice(ends[index - 1] ?? 0, end))
      rest = split.rest
      return split.events
    })
    assert.deepEqual(events, sent)
    assert.equal(rest, '')
  }))
})

test('addresses lead to views, whatever a run is called, and carry a token in their fragment alone', () => {
  assert.deepEqual(routeOf('#/runs/a%20b'), { view: 'run', run: 'a b' })
  assert.deepEqual(routeOf('#/runs/%E0%A4%A'), { view: 'run', run: '%E0%A4%A' })
  assert.deepEqual([routeOf('#/coverage'), routeOf('#/policies'), routeOf(''), routeOf('#/nothing')].map(({ view }) => view), ['coverage', 'policies', 'runs', 'runs'])
  const url = new URL(pageAddress({ apiUrl: 'http://127.0.0.1:9', token: 'a b&c' }))
  assert.deepEqual([url.pathname, url.search, url.hash], ['/', '', '#token=a%20b%26c'])
})

test('lengths, dates and marks of axes are what people count in', () => {
  assert.deepEqual([43, 1_940, 12_000, 65_000, 12_000_000, 187_200_000, -1_500, NaN].map(brief), ['43 ms', '1.9 s', '12 s', '1 m 05 s', '3 h 20 m', '2 d 4 h', '−1.5 s', '–'])
  assert.deepEqual([relative(0, 190_000), relative(10, 20), relative(20_000, 0)], ['3 m 10 s ago', 'just now', 'in 20 s'])
  assert.deepEqual([40_999, 31 * 60_000 + 31_000, 5.9 * 3_600_000, 2.5 * 86_400_000, -1].map(ms => roughly(0, ms)), ['40 s ago', '31 m ago', '5 h ago', '2 d ago', '0 s ago'])
  assert.deepEqual([ticks(0, 1, 3), ticks(0, 0.011, 3), ticks(-5, 5, 2), ticks(3, 3, 3)], [[0, 0.5, 1], [0, 0.005, 0.01], [-5, 0, 5], [3]])
  assert.deepEqual([timeStepMs(20_000, 10), timeStepMs(1_800_000, 10), timeStepMs(1e12, 2)], [2_000, 300_000, 86_400_000])
})

test('no file of the page names another host, or makes markup out of a string', () => {
  const folder = new URL('../../services/scheduler/page/', import.meta.url)
  for (const name of readdirSync(folder).filter(name => /\.(?:ts|css|html|svg)$/.test(name))) {
    const source = readFileSync(new URL(name, folder), 'utf8')
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, name)
    assert.doesNotMatch(source.replaceAll(/http:\/\/www\.w3\.org\/\d+\/\w+/g, ''), /https?:\/\/|url\(|@import/, name)
    assert.doesNotMatch(source, /^import (?!type )[^']*'(?!\.\/[\w-]+\.ts')/m, `${name} imports only files of its own folder`)
  }
})
