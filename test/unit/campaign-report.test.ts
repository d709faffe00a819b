import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JudgedProbe } from '#shared/verdict-probes.ts'
import { judge } from '#shared/verdict.ts'
import { evidenceOf, disturbedSpan } from '../../services/cli/campaign/evidence.ts'
import { noFindings, type Findings, type RecordedRun } from '../../services/cli/campaign/findings.ts'
import type { HpaPoint } from '../../services/cli/campaign/hpa-transitions.ts'
import type { CampaignOutcome } from '../../services/cli/campaign/outcome.ts'
import { printCampaignHtml } from '../../services/cli/campaign/report/campaign-html.ts'
import { printCampaignJunit } from '../../services/cli/campaign/report/campaign-junit.ts'
import { printCampaignMarkdown } from '../../services/cli/campaign/report/campaign-markdown.ts'
import { printChaosHtml } from '../../services/cli/campaign/report/chaos-html.ts'
import { printChaosMarkdown } from '../../services/cli/campaign/report/chaos-markdown.ts'
import { locustStatsOf, statisticsBar } from '../../services/cli/campaign/statistics.ts'
import { injectedMs, logOf, revertedMs, t0, type Story } from '../parts/verdict-log-builder.ts'

function recorded(step: string, purpose: RecordedRun['purpose'], story: Story): RecordedRun {
  const facts = logOf(story)
  return { step, purpose, repetition: 1, run: `${step}-1`, folder: `runs/${step}-1`, judgement: judge(facts), facts }
}

const stats = (requests: number) => ({ stats: { stats: [{ name: '/', num_requests: 1, num_failures: 0 }, { name: 'Aggregated', num_requests: requests, num_failures: 0 }] }, atMs: t0 })
const load = recorded('load', 'load', { fault: 'none', also: log => log.add('load.stats', stats(1_510)) })
const pause = recorded('pause', 'experiment', {})
const outcome: CampaignOutcome = {
  campaign: 'small', profile: 'quick', run: 'small-quick-1', verdict: 'failed', exitCode: 1, reasons: ['sla failed: availability <98 %'], startMs: t0, endMs: t0 + 100_000,
  steps: [
    { name: 'load', kind: 'load', verdict: 'passed', why: 'load-1: passed', startedMs: t0, endedMs: t0 + 61_000, bars: [] },
    { name: 'sla', kind: 'sla', verdict: 'failed', why: 'availability: <98 %', startedMs: t0, endedMs: t0 + 1_000, bars: [{ name: 'availability', required: 'more than 99.9 %', measured: '<98 %', met: false }, { name: 'rpo', required: '15 m', measured: '0 s', met: true }] },
    { name: 'later', kind: 'deploy', verdict: 'skipped', why: 'sla failed', startedMs: null, endedMs: t0, bars: [] },
    { name: 'doubt', kind: 'experiment', verdict: 'inconclusive', why: 'no data', startedMs: t0, endedMs: t0, bars: [] },
  ],
}
const point = (second: number, pods: number, cpuPercent: number | null = 60): HpaPoint => ({ atMs: t0 + second * 1_000, desired: pods, current: pods, ready: pods, cpuPercent })
const findings: Findings = {
  ...noFindings(), runs: [load, pause],
  cluster: { context: 'kind', version: 'v1.34.1', nodes: [{ name: 'n1', cpu: '2', memory: '8Gi', kernel: '6.18', runtime: 'containerd://2', ready: true }] },
  hpa: [{
    step: 'hpa', namespace: 'jewelry-shop', name: 'shop', deployment: 'shop', path: [3, 10, 3], points: [point(0, 3, null), point(5, 10), point(9, 9)],
    transitions: [{ from: 3, to: 10, is: 'seen', startedAtMs: t0, endedAtMs: t0 + 5_000, tookMs: 5_000 }, { from: 10, to: 3, is: 'missing', why: 'from 10 it came to 9' }],
    figures: [{ name: '3 -> 10', startMs: t0, endMs: t0 + 5_000, requests: 250, failures: 5, p50Ms: 20, p95Ms: 30 }],
  }],
}
const report = { outcome, findings, description: 'Can it go out?' }

test('the report says the verdict, every bar with its figure, every step, and where each run is', () => {
  const text = printCampaignMarkdown(report)
  assert.match(text, /^# small: failed\n/)
  assert.match(text, /\| availability \| more than 99.9 % \| \\<98 % \| \*\*no\*\* \| sla \|/)
  assert.match(text, /\| rpo \| 15 m \| 0 s \| yes \| sla \|/)
  assert.match(text, /\| load \| load \| \*\*passed\*\* \| 1 min 1 s \|/)
  assert.match(text, /\| later \| deploy \| \*\*skipped\*\* \| – \|/)
  assert.match(text, /\[load-1\]\(runs\/load-1\/report\.html\)/)
  assert.match(text, /\| 3 -\\> 10 \| 5 s \| 250 \| 2 % \| 30 ms \|/)
  assert.match(text, /\| 10 -\\> 3 \| from 10 it came to 9 \| – \| – \| – \|/)
  assert.match(text, /\| n1 \| 2 \| 8Gi \| 6.18 \|/)
})

test('what was not looked at or not run is said, not left out', () => {
  const empty = { outcome: { ...outcome, steps: [] }, findings: noFindings(), description: undefined }
  assert.match(printCampaignMarkdown(empty), /No step has come to any\.[^]*None was run\.[^]*No autoscaler was watched\.[^]*It was not looked at\./)
  assert.match(printCampaignHtml(empty), /No step has come to any\.[^]*None\.[^]*It was not looked at\./)
  assert.match(printChaosMarkdown(empty), /No experiment with a fault was run\./)
  assert.match(printChaosHtml(empty), /No experiment with a fault was run\./)
})

test('the page has the autoscaler over the load, and nobody\'s words are markup', () => {
  const html = printCampaignHtml(report)
  assert.match(html, /Autoscaling of jewelry-shop\/shop/)
  assert.match(html, /Pods[^]*CPU of what they request[^]*Requests that ended[^]*p95/)
  assert.match(html, /3 -&#62; 10 in 5 s/)
  assert.match(html, /&#60;98 %/)
  assert.doesNotMatch(html, /<script|<98/)
})

test('the chaos report has the course, the gates and the faults of each experiment, and no run without faults', () => {
  const [text, html] = [printChaosMarkdown(report), printChaosHtml(report)]
  assert.match(text, /## pause: passed[^]*\| 1-pause \| n1 \| postgres \| 5\.\d s \| 15\.\d s \| yes \|/)
  assert.match(text, /\| errors \| during \| \*\*passed\*\* \|/)
  assert.doesNotMatch(text, /## load/)
  assert.match(html, /runs\/pause-1\/report\.html[^]*<svg/)
})

test('JUnit has a suite a step, a case a bar, and what was not met is a failure', () => {
  const xml = printCampaignJunit(outcome)
  assert.match(xml, /<testsuite name="small\.sla" tests="3" failures="2"/)
  assert.match(xml, /<testcase[^>]*name="availability"[^>]*>\s*<failure message="&lt;98 %; required: more than 99\.9 %"/)
  assert.match(xml, /name="later \(deploy\)"[^>]*>\s*<skipped/)
  assert.match(xml, /name="doubt \(experiment\)"[^>]*>\s*<error message="no data"/)
})

test('Locust\'s own count is held against the exact one, and without either nothing is known', () => {
  assert.deepEqual(locustStatsOf(load), stats(1_510).stats)
  const bar = statisticsBar(load, 0.02)
  assert.deepEqual([bar.met, bar.measured], [true, '1,510 against 1,510, 0 % apart'])
  assert.equal(statisticsBar(recorded('load', 'load', { fault: 'none', also: log => log.add('load.stats', stats(1_400)) }), 0.02).met, false)
  assert.match(statisticsBar(pause, 0.02).measured, /Locust gave no statistics/)
  assert.match(statisticsBar(undefined, 0.02).measured, /Locust gave no statistics/)
  assert.match(statisticsBar(recorded('load', 'load', { fault: 'none', sampleAt: () => null, also: log => log.add('load.stats', stats(5)) }), 0.02).measured, /no request was counted/)
})

test('availability is the load step\'s; the whole has every run\'s requests', () => {
  const failing = recorded('pause', 'experiment', { sampleAt: atMs => atMs === t0 + 6_000 ? { failed: { 10: 10 }, ok: {} } : {} })
  const evidence = evidenceOf({ ...findings, runs: [load, failing] }, { load: 'load' }, [])
  assert.deepEqual(evidence.load, { attempted: 1_510, acknowledged: 1_510 })
  assert.deepEqual(evidence.whole, { attempted: 3_020, acknowledged: 3_010 })
  assert.equal(evidenceOf({ ...findings, runs: [failing] }, { load: 'load' }, []).load, undefined)
})

test('a step that was run without a probe has no recovery time', () => {
  assert.deepEqual(evidenceOf(findings, { load: 'load' }, undefined).steps, [{ step: 'pause', runs: 1, recoveryMs: undefined, ledgers: [] }])
})

test('a run is disturbed from its first injection to its end; one without an injection is not', () => {
  assert.deepEqual(disturbedSpan(pause.facts), { fromMs: injectedMs, toMs: t0 + 30_000 })
  assert.deepEqual(disturbedSpan(logOf({ seal: false })), { fromMs: injectedMs, toMs: revertedMs })
  assert.equal(disturbedSpan(load.facts), undefined)
})

test('a step\'s evidence is the worst that any of its probes saw in any of its runs; a prober on a faulted node does not count', () => {
  const seen: JudgedProbe = {
    name: 'orders', kind: 'http', endpoint: 'shop', node: 'n1', counts: true, attempts: 100, failures: 3, availability: 0.97, recoveryTimeMs: 4_000, steady: true, longestOutageMs: 4_000,
    rtoMs: 4_000, rpoMs: 0, outages: [], ledger: { attempted: 100, acknowledged: 97, missing: 0, unconfirmed: 0, unconfirmedMissing: 0, unread: 0, missingIds: [], newestLostAgeMs: null },
  }
  const runs = (...probes: JudgedProbe[][]) => probes.map((its): RecordedRun => ({ ...pause, judgement: { ...pause.judgement, probes: its } }))
  const [step] = evidenceOf({ ...findings, runs: runs([seen, { ...seen, name: 'page', ledger: null, recoveryTimeMs: 9_000 }], [seen, { ...seen, counts: false, recoveryTimeMs: 50_000 }]) }, { load: 'load' }, []).steps
  assert.deepEqual(step, { step: 'pause', runs: 2, recoveryMs: 9_000, ledgers: [0, 1, 2].map(() => ({ probe: 'orders', acknowledged: 97, missing: 0, unread: 0, rpoMs: 0 })) })
  for (const broken of [{ ...seen, steady: false }, { ...seen, attempts: 0 }]) {
    assert.equal(evidenceOf({ ...findings, runs: runs([seen], [broken]) }, { load: 'load' }, []).steps[0]?.recoveryMs, undefined)
  }
  assert.equal(evidenceOf({ ...findings, runs: [...runs([seen]), { ...pause, facts: load.facts, judgement: { ...pause.judgement, probes: [seen] } }] }, { load: 'load' }, []).steps[0]?.recoveryMs, undefined, 'nothing was injected in one')
  const withProbes = { ...report, findings: { ...findings, runs: runs([seen, { ...seen, node: 'n2', counts: false, steady: false, ledger: null }]) } }
  assert.match(printChaosMarkdown(withProbes), /\| orders \| n1 \| 100 \| 3 \| 4,000 ms \| 97 \| 0 \|\n\| orders \| n2 \(does not count\) \| 100 \| 3 \| \*\*not steady\*\* \| – \| – \|/)
})
