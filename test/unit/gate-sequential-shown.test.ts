import assert from 'node:assert/strict'
import { test } from 'node:test'
import { experimentSchema } from '#shared/experiment.ts'
import { emptyGates, fold as foldGates } from '#shared/gate-core.ts'
import { judge } from '#shared/verdict.ts'
import { painter } from '../../services/cli/live/cells.ts'
import { emptyLive, fold } from '../../services/cli/live/fold.ts'
import { gateRows, printGates } from '../../services/cli/live/gates.ts'
import { planInCluster } from '../../services/cli/plan/experiment-plan.ts'
import { renderPlan } from '../../services/cli/plan/render-plan.ts'
import { printJunit } from '../../services/cli/report/junit.ts'
import { printReportHtml } from '../../services/cli/report/report-html.ts'
import { printReportJson } from '../../services/cli/report/report-json.ts'
import { printReportMarkdown } from '../../services/cli/report/report-markdown.ts'
import { reportOf } from '../../services/cli/report/run-report.ts'
import { tellFact } from '../../services/cli/timeline.ts'
import { document, injectedMs, LogBuilder, logOf, t0 } from '../parts/verdict-log-builder.ts'

const gates = [{ name: 'errors', limit: 'rate', burst: 2, errorRate: { max: '1%' } }, { name: 'spent', limit: 'budget', requests: 600, block: '2s', errorRate: { max: '1%' } }]
/** One of ten requests fails in each second sample: a rate of 5 %. */
const sick = { gates, sampleAt: (atMs: number) => atMs > injectedMs && atMs % 400 === 0 ? { ok: { 20: 9 }, failed: { 20: 1 } } : {} }

test('the live view says of each such gate how near a breach and how far from a pass it is', () => {
  const shown = (untilMs: number) => {
    const facts = logOf({ gates }).filter(({ kind, fact }) => kind !== 'load.sample' || (fact.data as { endMs: number }).endMs <= untilMs)
    return printGates(gateRows(facts.filter(({ kind }) => kind === 'run.submitted' || kind === 'run.phase' || kind === 'load.sample' || kind === 'fault.injected').reduce(fold, emptyLive('r1'))), 150, painter(false))
  }
  const early = shown(injectedMs + 4_200)
  assert.match(early[0] ?? '', /errors +during +· pending .*E = 0\.84 of 20 needed, 200 of 597 requests for a pass/)
  assert.match(early[1] ?? '', /spent +during +· pending .*0 of 6 bad requests spent, 200 of 299 requests for a pass/)
  assert.match(shown(injectedMs + 10_200)[1] ?? '', /spent +during +✓ holding .*0 of 6 bad requests spent, enough for a pass \(below 0\.5974 %\)/)
})

test('every report of a run carries the numbers of the breach', () => {
  const facts = logOf(sick)
  const judgement = judge(facts)
  const report = reportOf(facts, judgement)
  const words = /E = \d+ of 20 needed/
  for (const text of [printReportMarkdown(report), printReportHtml(report), printJunit(judgement), printReportJson(report)]) assert.match(text, words)
  const { gates: [errors, spent] } = JSON.parse(printReportJson(report)) as { gates: { sequential: Record<string, unknown> }[] }
  assert.equal(errors?.sequential['eNeeded'], 20)
  assert.deepEqual([spent?.sequential['bad'], spent?.sequential['mostBad']], [10, 6])
})

test('elsewhere than on a terminal the statuses between begin and breach say their evidence', () => {
  const experiment = experimentSchema.parse(document({ gates }))
  const told = (status: 'holding' | 'breaking' | 'met') => {
    const [stored] = new LogBuilder().add('gate.status', { gate: 'errors', phase: status === 'met' ? 'recovery' : 'during', status, lookEndMs: t0, atMs: t0, evidence: 'E = 12 of 20 needed' }).facts
    assert.ok(stored)
    return tellFact(stored, { startedMs: t0, experiment })?.text
  }
  assert.deepEqual([told('breaking'), told('holding'), told('met')], ['errors (during) breaking: E = 12 of 20 needed', 'errors (during) holding: E = 12 of 20 needed', 'errors (recovery) met: ≤ 1 %'])
})

test('a plan says what a breach of such a gate takes, and what a pass', () => {
  const plan = planInCluster(experimentSchema.parse(document({ gates })), [])
  assert.deepEqual(plan.gates.map(({ everyMs, limit }) => ({ everyMs, ...limit })), [
    { everyMs: 1_000, breach: 'evidence of 20 to 1 (E)', pass: 'takes 597 requests if none is bad, and more with each that is' },
    { everyMs: 2_000, breach: 'more than 6 bad requests in the whole run', pass: 'takes 299 requests if none is bad, and more with each that is' },
  ])
  const rendered = renderPlan({ file: 'x.yaml', possible: true, problems: [], parents: [], cluster: null, experiments: [plan] }, 120)
  assert.match(rendered, /source +stream, every request once\n +looks +every 1s; evidence of 20 to 1 \(E\) is a breach; none readable for 5s is inconclusive\n +pass +takes 597 requests/)
})

test('the state of a run is plain JSON in its tallies, so that anybody can look at it', () => {
  const { watches } = logOf(sick).reduce(foldGates, emptyGates('r1'))
  assert.equal(watches.length, 2)
  for (const { tally } of watches) assert.deepEqual(JSON.parse(JSON.stringify(tally)), tally)
})
