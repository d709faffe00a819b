/* oxlint-disable no-control-regex -- they are looked for, so that none is left */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { beginChain, extendChain } from '#shared/decision-record.ts'
import type { StoredFact } from '#shared/events.ts'
import { loadSeries } from '#shared/load-series.ts'
import { newSigningKey, signerOf } from '#shared/signing-key.ts'
import { judge, printJudgement, type Judgement } from '#shared/verdict.ts'
import { printJunit } from '../../services/cli/report/junit.ts'
import { markup } from '../../services/cli/report/markup.ts'
import { printReportHtml } from '../../services/cli/report/report-html.ts'
import { printReportJson } from '../../services/cli/report/report-json.ts'
import { printReportMarkdown } from '../../services/cli/report/report-markdown.ts'
import { reportOf } from '../../services/cli/report/run-report.ts'
import { writeReport } from '../../services/cli/report/write-report.ts'
import { recordOf } from '../parts/signed-record.ts'
import { clock, errorsGate, injectedMs, LogBuilder, logOf, promGate, revertedMs, sample, t0, type Story } from '../parts/verdict-log-builder.ts'

const slowGate = { name: 'slow', latency: { quantile: 0.95, max: '500ms' } }
const upGate = { name: 'up', availability: { min: '90%' } }
const abortMs = injectedMs + 3_300

/** From the pause on nothing ends, and ten requests wait, until the abort. */
const stalled = (atMs: number) => {
  const waitedMs = Math.floor((atMs - injectedMs) / 50) * 50
  if (waitedMs <= 0 || atMs > abortMs) return {}
  return { ok: {}, inFlight: waitedMs < 100 ? {} : { [waitedMs]: 10 }, inFlightTotal: 10 }
}
const passedRun = logOf({ gates: [errorsGate, slowGate, upGate] })
const failedRun = logOf({ gates: [errorsGate, slowGate, upGate], sampleAt: stalled, abort: { cause: 'gate', detail: 'slow: broken', gate: 'slow', atMs: abortMs } })
const inconclusiveRun = logOf({ gates: [promGate], load: false, answerAt: () => ({ is: 'no-data', why: 'empty: no series' }) })

const reported = (facts: readonly StoredFact[], change: Partial<Judgement> = {}) => reportOf(facts, { ...judge(facts), ...change })
const html = (facts: readonly StoredFact[]) => printReportHtml(reported(facts))
const count = (text: string, part: string | RegExp) => text.split(part).length - 1

test('the stories of this file come to the three verdicts', () => {
  assert.deepEqual([passedRun, failedRun, inconclusiveRun].map(facts => judge(facts).verdict), ['passed', 'failed', 'inconclusive'])
})

test('a results folder holds six whole files, and the verdict in it is the canonical judgement', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'faultline-report-'))
  try {
    const folder = join(parent, 'new', 'run')
    const { judgement, files } = await writeReport(folder, failedRun)
    assert.deepEqual((await readdir(folder)).sort(), ['events.jsonl', 'junit.xml', 'report.html', 'report.json', 'report.md', 'verdict.json'])
    assert.deepEqual([...files].sort(), (await readdir(folder)).sort().map(name => join(folder, name)))
    assert.equal(await readFile(join(folder, 'verdict.json'), 'utf8'), printJudgement(judge(failedRun)))
    assert.equal(judgement.verdict, 'failed')
    const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8')).trimEnd().split('\n')
    const written = lines.map(line => JSON.parse(line) as { stream: number; fact: unknown; after: string; link: string })
    assert.deepEqual(written.map(({ stream, fact }) => ({ stream, fact })), failedRun.map(({ stream, fact }) => ({ stream, fact })))
    assert.deepEqual(written.map(({ after }) => after).slice(1), written.map(({ link }) => link).slice(0, -1), 'each line names the link before it')
  } finally {
    await rm(parent, { recursive: true })
  }
})

test('the reports show the end of the chain and who has signed it, and a key of the report\'s own is not the one to check it with', () => {
  const signer = signerOf(newSigningKey().seed)
  for (const facts of [recordOf(passedRun, signer), recordOf(passedRun)]) {
    const report = reported(facts)
    const isSigned = facts.some(stored => stored.kind === 'run.judged' && stored.fact.data.record)
    const chain = facts.reduce((links, stored) => extendChain(links, stored), beginChain('r1'))
    assert.deepEqual(report.record, { chain: chain.link, facts: chain.facts, key: isSigned ? signer.publicKey : null })
    for (const text of [printReportHtml(report), printReportMarkdown(report)]) {
      for (const words of [chain.link, `${chain.facts} facts`, isSigned ? signer.publicKey : 'nobody', 'faultline verify FOLDER']) assert.ok(text.includes(words), words)
      assert.equal(count(text, signer.publicKey), isSigned ? 1 : 0)
    }
    assert.deepEqual((JSON.parse(printReportJson(report)) as { record: unknown }).record, report.record)
  }
})

test('report.json has what programs are promised, with dates in ISO 8601', () => {
  const printed: unknown = JSON.parse(printReportJson(reported(failedRun)))
  assert.ok(typeof printed === 'object' && printed !== null && 'faults' in printed && Array.isArray(printed.faults))
  for (const key of ['run', 'verdict', 'gates', 'timings', 'load', 'recovery', 'loadBySecond']) assert.ok(key in printed, key)
  const { injectedAt, revertedAt, verified } = printed.faults[0]
  assert.deepEqual([injectedAt, revertedAt, verified], [new Date(injectedMs).toISOString(), new Date(abortMs + 100).toISOString(), true])
})

test('the load is told by the second: rates, waiting requests, the share of bad ones, and a stalled p95 that rises with their age', () => {
  const points = loadSeries(failedRun, { fromMs: t0, stepMs: 1_000, overdueAfterMs: 1_500 })
  const at = (ms: number) => points.find(({ startMs }) => startMs === ms)
  assert.deepEqual(at(t0 + 2_000), { startMs: t0 + 2_000, endMs: t0 + 3_000, users: 10, requestsPerSecond: 50, failuresPerSecond: 0, waiting: 0, badShare: 0, p95Ms: 20 })
  assert.deepEqual(at(injectedMs + 2_000), { startMs: injectedMs + 2_000, endMs: injectedMs + 3_000, users: 10, requestsPerSecond: 0, failuresPerSecond: 0, waiting: 10, badShare: 1, p95Ms: 3_000 })
  assert.equal(at(injectedMs)?.badShare, null, 'nothing ended and nothing is overdue yet')
})

test('a sample that was stored twice counts once, the workers of one second together, and an unseen second is no point', () => {
  const log = new LogBuilder()
  for (const worker of ['w1', 'w2', 'w2']) log.add('load.sample', sample(t0 + 200, { worker, ok: { 20: 4 }, failed: { 30: 1 } }))
  log.add('load.sample', sample(t0 + 5_200))
  const points = loadSeries(log.facts, { fromMs: t0, stepMs: 1_000, overdueAfterMs: 1_000 })
  assert.deepEqual(points.map(({ startMs, requestsPerSecond, failuresPerSecond }) => [startMs - t0, requestsPerSecond, failuresPerSecond]), [[0, 50, 10], [5_000, 50, 0]])
})

test('the page shows the verdict with its reasons, the timings, three plots with the fault shaded, and each gate with its limit', () => {
  const page = html(failedRun)
  const { timings, reasons } = judge(failedRun)
  assert.match(page, /✕ FAILED/)
  assert.ok(reasons.every(reason => page.includes(reason)))
  assert.ok(timings.breachToRevertedMs !== null && page.includes(`${timings.breachToRevertedMs} ms`))
  for (const title of ['Requests that ended, per second', 'Errors: share of requests', 'p95 of the response time']) assert.equal(count(page, `>${title}`), 1, title)
  assert.equal(count(page, 'class="span"'), 1)
  assert.match(page, /pause on n1: 3,400 ms, ended by abort/)
  assert.equal(count(page, '<line class="abort"'), 1)
  assert.match(page, /slow breached at \d/)
  for (const label of ['errors: at most 10 %', 'up: at least 90 %', 'slow: at most 5 % over 500 ms']) assert.ok(page.includes(`>${label}`), label)
  assert.equal(count(page, '<svg'), 4, 'one for the run, one a gate')
})

test('a run without load shows its gates over the time of the fault, and no number of load', () => {
  const page = html(inconclusiveRun)
  assert.match(page, /\? INCONCLUSIVE/)
  assert.match(page, /Gate asked \(during\)/)
  assert.match(page, /no load of its own/)
  assert.doesNotMatch(page, /Requests that ended/)
  assert.match(page, /class="nodata"/)
})

test('an unconfirmed revert is a warning that stands out, and its fault is shaded to the end', () => {
  const page = html(logOf({ reverted: { verified: false } }))
  assert.match(page, /role="alert"/)
  assert.match(page, /not confirmed as reverted/)
  assert.doesNotMatch(html(passedRun), /role="alert"/)
})

test('the page asks nobody for anything and runs nothing', () => {
  for (const facts of [passedRun, failedRun, inconclusiveRun]) {
    const page = html(facts)
    assert.match(page, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/)
    assert.doesNotMatch(page, /<script|<link|<img|<iframe|<object|\bsrc=|\bhref=|url\(|@import|\bon\w+=/)
    assert.match(page, /prefers-color-scheme: dark/)
  }
})

test('no plot has a coordinate that is not a number', () => {
  const stories: Story[] = [
    { gates: [promGate], load: false, answerAt: atMs => ({ is: 'value', value: atMs % 2_000 === 0 ? 1.7e308 : -1.7e308 }) },
    { gates: [promGate], load: false, answerAt: () => ({ is: 'value', value: 0 }) },
    { sampleAt: () => ({ ok: {} }) }, { sampleAt: () => null }, { injected: null, reverted: null }, { fault: 'kill' }, { seal: false },
  ]
  for (const page of [...stories.map(story => html(logOf(story))), html([]), html(logOf().slice(0, 1)), html(logOf().slice(0, 4))]) assert.doesNotMatch(page, /NaN|Infinity|undefined/)
})

/** Text with which somebody tries to leave where it stands. */
const hostile = `"><script>alert(1)</script>'<img src=x onerror=alert(1)>]]>--></svg></title>&lt;{{x}}\`|\n# h\u0000\u0007\u001b[31m\u202e\u2028\uffff`

function hostileRun(): StoredFact[] {
  const target = { id: 'process:1:2', pid: 1, startTicks: 2, description: hostile }
  return logOf({
    gates: [errorsGate, promGate],
    injected: { targets: [target], node: hostile, readBack: [hostile], clock: hostile },
    reverted: { targets: [target], node: hostile, clock: hostile },
    sampleAt: atMs => atMs === revertedMs ? { worker: hostile, clock: hostile } : {},
    answerAt: () => ({ is: 'no-data', why: hostile }),
    also: log => log
      .add('load.state', { state: 'failed', users: 0, targetUsers: 1, detail: hostile, atMs: revertedMs })
      .add('gate.status', { gate: hostile, phase: 'during', status: 'no-data', lookEndMs: t0, evidence: hostile, atMs: revertedMs })
      .add('run.aborting', { cause: 'user', detail: hostile, atMs: revertedMs, clock })
      .add('fault.refused', { fault: hostile, kind: hostile, node: hostile, why: hostile }),
  })
}

test('others\' words are only ever words: in the page, in Markdown and in JUnit', () => {
  const facts = hostileRun()
  const judged = judge(facts)
  const report = reported(facts, { experiment: hostile, run: hostile, gates: judged.gates.map(gate => ({ ...gate, name: hostile, description: hostile })) })
  const page = printReportHtml({ ...report, purpose: hostile })
  assert.doesNotMatch(page, /<script|<img|\]\]>-->|(?!\n)\p{Cc}|[\u202e\u2028\uffff]/u)
  assert.equal(page.isWellFormed(), true)
  assert.ok(count(page, '&#60;script&#62;') > 10, 'they are shown')
  assertBalanced(page)
  const markdown = printReportMarkdown({ ...report, purpose: hostile })
  assert.doesNotMatch(markdown, /(?<!\\)<(?!br>)|(?!\n)\p{Cc}|\u202e/u)
  assert.doesNotMatch(markdown, /^# h/m)
  for (const table of markdown.split(/\n\n/).filter(block => block.startsWith('|'))) {
    assert.equal(new Set(table.trim().split('\n').map(row => count(row, /(?<!\\)\|/))).size, 1, `rows with more or fewer cells:\n${table}`)
  }
  assertWellFormedXml(printJunit(report.judgement))
})

test('whatever text a template is given, no markup comes of it', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), text => {
    const printed = markup`<i title="${text}">${[text, undefined, 1]}</i>`.toString()
    const [, attribute = '', content = ''] = /^<i title="([^]*?)">([^]*)<\/i>$/.exec(printed) ?? []
    assert.equal(content, `${attribute}1`)
    assert.doesNotMatch(content, /[<>"']|&(?!#\d+;)/)
  }))
})

test('in JUnit a failed gate is a failure, an inconclusive one an error, and the recovery, revert and verdict have cases of their own', () => {
  const outcomes = (facts: readonly StoredFact[]) => Object.fromEntries([...printJunit(judge(facts)).matchAll(/<testcase [^>]*name="([^"]*)"(?:\/>|>\s*<(\w+))/g)].map(([, name, outcome]) => [name, outcome ?? 'passed']))
  assert.deepEqual(outcomes(passedRun), { errors: 'passed', slow: 'passed', up: 'passed', recovery: 'passed', revert: 'passed', verdict: 'passed' })
  assert.equal(outcomes(failedRun)['slow'], 'failure')
  assert.equal(outcomes(failedRun)['verdict'], 'failure')
  assert.deepEqual(outcomes(inconclusiveRun), { asked: 'error', recovery: 'error', revert: 'passed', verdict: 'error' })
  assert.equal(outcomes(logOf({ reverted: { verified: false } }))['revert'], 'error')
  const neverWellAgain = logOf({ sampleAt: atMs => atMs > revertedMs ? { ok: {}, failed: { 20: 10 } } : {} })
  assert.deepEqual(outcomes(neverWellAgain), { errors: 'passed', recovery: 'failure', revert: 'passed', verdict: 'failure' })
  for (const facts of [passedRun, failedRun, inconclusiveRun, []]) assertWellFormedXml(printJunit(judge(facts)))
})

test('Markdown tells the verdict, its reasons, every gate and every fault', () => {
  const markdown = printReportMarkdown(reported(failedRun))
  assert.match(markdown, /^# scripted: failed\n/)
  assert.match(markdown, /^\| slow \| during \| stream \| \*\*failed\*\* \|/m)
  assert.match(markdown, /^\| 1-pause \| n1 \| postgres \| 5\.2 s \| 8\.6 s \| yes \| abort \|$/m)
  assert.match(markdown, /\| breach to reverted \| \d+ ms \|/)
})

test('Markdown says why a number is not there', () => {
  const markdown = printReportMarkdown(reported(inconclusiveRun))
  assert.match(markdown, /\| breach to reverted \| – \(no gate was breached\) \|/)
  assert.match(markdown, /The experiment has no load of its own/)
  assert.match(printReportMarkdown(reported([])), /^# unreadable run: inconclusive\n/)
  const neverInjected = printReportMarkdown(reported(logOf({ injected: null, reverted: null, sampleAt: () => null })))
  assert.match(neverInjected, /^\| 1-pause \| – \| – \| – \| – \| \*\*no\*\* \| – \|$/m)
})

test('the timeline tells each fact that is not a measurement, and marks the bad ones', () => {
  const fault = { fault: '1-pause', kind: 'pause', node: 'n1' }
  const { timeline } = reported(logOf({
    injected: { verified: false, readBack: [] }, reverted: { readBack: ['S (sleeping)'] },
    also: log => log
      .add('fault.lapsed', { ...fault, atMs: revertedMs })
      .add('fault.refused', { ...fault, why: 'no target' })
      .add('load.state', { state: 'failed', users: 0, targetUsers: 10, atMs: revertedMs })
      .add('gate.status', { gate: 'errors', phase: 'during', status: 'breached', lookEndMs: revertedMs, evidence: 'broken', atMs: revertedMs })
      .add('gate.status', { gate: 'errors', phase: 'recovery', status: 'met', lookEndMs: revertedMs, evidence: 'held', atMs: revertedMs }),
  }))
  const told = timeline.map(({ text, tone }) => `${tone}: ${text}`)
  for (const expected of [
    'plain: r1 was submitted', 'plain: phase steady', 'bad: 1-pause injected on n1, 10 ms after the request; its effect was NOT seen',
    'good: 1-pause reverted on n1 (duration); read back: S (sleeping)', 'bad: the lease of 1-pause on n1 ran out', 'bad: 1-pause refused by n1: no target',
    'bad: load failed, 0 of 10 users', 'bad: gate errors (during) is breached: broken', 'good: gate errors (recovery) is met: held', 'plain: sealed: nothing later counts',
  ]) assert.ok(told.includes(expected), `${expected}\nis not in\n${told.join('\n')}`)
  assert.ok(!timeline.some(({ kind }) => kind === 'load.sample' || kind === 'slo.tick'))
})

test('a share is never drawn against an axis of more than 100 %', () => {
  const page = html(failedRun)
  assert.match(page, />100 %</)
  assert.doesNotMatch(page, />(?:1[1-9]|[2-9]\d)\d %</)
})

test('a long run is plotted in wider steps, and still told by the second', () => {
  const log = new LogBuilder()
  for (let second = 1; second <= 1_500; second += 1) log.add('load.sample', sample(t0 + second * 1_000))
  const report = reported(log.facts)
  assert.equal(report.seconds.length, 1_500)
  assert.ok(report.plotted.length <= 600, `${report.plotted.length} points`)
})

/** Every element that HTML wants closed is closed, in order. */
function assertBalanced(page: string): void {
  const open: string[] = []
  for (const [, slash, name = '', self] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b(?:[^<>"]|"[^"]*")*?(\/?)>/g)) {
    if (self === '/' || name === 'meta') continue
    if (slash === '/') assert.equal(name, open.pop())
    else open.push(name)
  }
  assert.deepEqual(open, [])
}

/** XML 1.0: only legal characters; nothing but tags, quoted attributes, text and references; tags closed in order. */
function assertWellFormedXml(xml: string): void {
  assert.doesNotMatch(xml, /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u)
  const grammar = /<\?xml [^<>]*\?>|<(\/?)(\w+)((?:\s+[\w-]+="(?:[^<&"]|&(?:\w+|#x?[\dA-Fa-f]+);)*")*)\s*(\/?)>|(?:[^<&]|&(?:\w+|#x?[\dA-Fa-f]+);)+/gy
  const open: string[] = []
  let end = 0
  for (const [token, slash, name, , self] of xml.matchAll(grammar)) {
    end += token.length
    if (name === undefined || self === '/') continue
    if (slash === '/') assert.equal(name, open.pop())
    else open.push(name)
  }
  assert.equal(end, xml.length, `no XML from: ${xml.slice(end, end + 80)}`)
  assert.deepEqual(open, [])
}

test('a run without faults is reported without a recovery', () => {
  const facts = logOf({ fault: 'none' })
  assert.doesNotMatch(html(facts), /recovered after|Required within/)
  assert.match(html(facts), /The experiment has none: its gates judged the hold\./)
  assert.match(printReportMarkdown(reported(facts)), /## Faults\n\nThe experiment has none[^]*## Recovery\n\nThe experiment has no faults to recover from\./)
  assert.doesNotMatch(printReportMarkdown(reported(facts)), /recovery \(required/)
  assert.equal(count(printJunit(judge(facts)), 'name="recovery"'), 0)
})
