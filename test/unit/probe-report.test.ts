import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge } from '#shared/verdict.ts'
import { printProbes } from '../../services/cli/probes.ts'
import { emptyLive, fold } from '../../services/cli/live/fold.ts'
import { probeLines } from '../../services/cli/live/probes.ts'
import { probePanels, probeRows, probeSeries } from '../../services/cli/report/probe-report.ts'
import { printReportHtml } from '../../services/cli/report/report-html.ts'
import { printReportMarkdown } from '../../services/cli/report/report-markdown.ts'
import { reportOf } from '../../services/cli/report/run-report.ts'
import { ledgerOf, proberFact, samplesOf } from '../parts/probe-log.ts'
import { clock, document, LogBuilder, t0 } from '../parts/verdict-log-builder.ts'

const experiment = {
  ...document({ gates: [{ name: 'kept', lostWrites: { probe: 'orders' } }], load: false }) as object,
  probes: [{ name: 'orders', postgres: { endpoint: 'shop-database' } }, { name: 'other', tcp: { endpoint: 'shop' } }],
}
const failsFrom = (fromMs: number) => (atMs: number) => atMs >= fromMs ? 'failed' as const : 'ok' as const
/** Two nodes look at one probe; the second sees it fail from 2 s on. */
const facts = [
  ...new LogBuilder().add('run.submitted', { experiment, experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } }).add('run.phase', { phase: 'steady', atMs: t0 }).facts,
  ...['n1', 'n2'].flatMap(node => [
    proberFact('probe.opened', { node, probes: ['orders', 'other'], atMs: t0, clock }, { prober: node, stream: 1 }),
    ...samplesOf({ node, fromMs: t0, toMs: t0 + 3_900, ...(node === 'n2' && { outcomeAt: failsFrom(t0 + 2_000) }) }).map((data, index) => proberFact('probe.samples', data, { prober: node, stream: 2 + index })),
    proberFact('probe.ledger', ledgerOf({ node, missing: node === 'n2' ? 5 : 0, unread: node === 'n2' ? 1 : 0, missingIds: node === 'n2' ? ['a', 'b', 'c', 'd'] : [] }), { prober: node, stream: 9 }),
  ]),
].map((stored, index) => ({ ...stored, stream: index + 1 }))

test('the report has each probe as each prober saw it, and what failed over time', () => {
  const judgement = judge(facts)
  assert.deepEqual(probeRows(judgement).slice(0, 2), [
    ['orders (postgres)', 'n1', '40', '0 (0 %)', '0 ms', '0 ms', '0 ms', '0 ms', '90', '0', '0 (0)'],
    ['orders (postgres)', 'n2', '40', '20 (50 %)', '1,900 ms, and not steady yet', '1,900 ms', '–', '0 ms', '90', '5, 1 not looked for: a, b, c …', '0 (0)'],
  ])
  assert.deepEqual(probeRows(judgement)[2], ['other (tcp)', 'n1', '0', '0', '0 ms', '0 ms', '–', '–', '–', '–', '–'])
  const [series] = probeSeries(facts, 1_000)
  assert.deepEqual(series?.points.map(({ failedShare, attempts }) => [failedShare, attempts]), [[0, 20], [0, 20], [0.5, 20], [0.5, 20]])
  const report = reportOf(facts, judgement)
  assert.match(printReportMarkdown(report), /## Probes\n\n\| probe \| seen from /)
  const html = printReportHtml(report)
  assert.match(html, /<h2>Probes<\/h2>/)
  assert.match(html, /Probe orders: share of its attempts that failed/)
  assert.match(html, /from the probers/)
})

test('the plot of a probe has a hole where nobody looked', () => {
  const points = [0, 1_000, 9_000].map(atMs => ({ atMs, failedShare: 0, attempts: 1 }))
  assert.deepEqual(probePanels([{ probe: 'p', points }], 1_000)[0]?.curves[0]?.points.map(({ atMs, value }) => [atMs, value]), [[500, 0], [1_500, 0], [2_000, null], [9_500, 0]])
})

test('a run without probes says nothing of them', () => {
  const without = facts.slice(0, 2)
  assert.doesNotMatch(printReportMarkdown(reportOf(without.slice(1), judge([]))), /Probes/)
})

test('the live view has a line for each probe: up, down and for how long, or not attempted yet', () => {
  const plain = (_style: unknown, text: string) => text
  const at = (count: number) => probeLines(facts.slice(0, count).reduce(fold, emptyLive('r1')), 100, plain)
  assert.deepEqual(at(2), ['orders  · not attempted yet', 'other   · not attempted yet'])
  assert.equal(at(4)[0], 'orders  ✓ up  0 failed of 10 attempts')
  assert.equal(at(facts.length)[0], 'orders  ✗ down for 1.9 s, from n2  20 failed of 80 attempts')
})

test('the catalogue has every kind of probe, and one of them in full', () => {
  for (const kind of ['http', 'postgres', 'redis', 'tcp']) assert.match(printProbes(undefined, false), new RegExp(`^${kind} `, 'm'))
  assert.match(printProbes('redis', false), /WAIT/)
  assert.doesNotMatch(printProbes(undefined, false), /WAIT\)/)
  const [redis] = JSON.parse(printProbes('redis', true)) as { kind: string; parameters: { properties: object } }[]
  assert.deepEqual([redis?.kind, Object.keys(redis?.parameters.properties ?? {})], ['redis', ['endpoint', 'ledger', 'replicas']])
  assert.throws(() => printProbes('smtp', false), /no probe is called smtp; there are http, postgres, redis, tcp/)
})
