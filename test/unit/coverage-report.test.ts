/* oxlint-disable no-control-regex -- they are looked for, so that none is left */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { foldCoverage, noCoverage } from '#shared/coverage-fold.ts'
import { coverageOf, coverageSchema, type Coverage } from '#shared/coverage.ts'
import { coverageCommand } from '../../services/cli/coverage.ts'
import { printCoverageHtml } from '../../services/cli/coverage-report/coverage-html.ts'
import { printCoverageMarkdown } from '../../services/cli/coverage-report/coverage-markdown.ts'
import { renderCoverage } from '../../services/cli/coverage-report/coverage-text.ts'
import { printAge } from '../../services/cli/coverage-report/coverage-words.ts'
import { parseTestedServices } from '../../services/cli/declared-services.ts'
import { widthOf } from '../../services/cli/live/cells.ts'
import { printEventLog } from '../../services/cli/report/event-log.ts'
import { factsOf, service, type RunStory } from '../parts/run-facts.ts'

const hourMs = 3_600_000
const nowMs = Date.UTC(2026, 0, 10, 12)
const [web, db] = [service('web', '1.4'), service('db', '16')]
const stories: RunStory[] = [
  { run: 'r1', atMs: nowMs - 9 * 24 * hourMs, experiment: 'pod-loss', hits: [{ kind: 'pod-kill', on: [web, db] }] },
  { run: 'r2', atMs: nowMs - 3 * hourMs - 10_000, experiment: 'partition', verdict: 'failed', hits: [{ kind: 'network-partition', on: [service('web', '1.3')] }] },
  { run: 'r3', atMs: nowMs - 50_000, verdict: 'inconclusive', hits: [{ kind: 'pod-pause', on: [web, web] }] },
  { run: 'r4', atMs: nowMs - 60_000, hits: [{ kind: 'pod-pause', on: [service('old', '1')] }], end: [service('old', '1')] },
]
const state = stories.flatMap(factsOf).reduce(foldCoverage, noCoverage)
const coverage = coverageOf(state, { nowMs, look: { atMs: nowMs - 12_000, services: [web, db] } })
const report = { coverage, nowMs, source: 'the cluster of the context staging' }
const text = (width: number, shown: Coverage = coverage) => renderCoverage({ ...report, coverage: shown }, { width, colour: false })

test('the matrix reads as a person reads it: verdict and age, below them the version, and at the top what is there now', () => {
  assert.equal(text(80, { ...coverage, kinds: ['pod-kill', 'pod-pause', 'network-partition'] }), `\
coverage from the cluster of the context staging

                   shop/db      shop/old  shop/web
                   16           gone      1.4
pod-kill           ✓ 8 d stale  ·         ✓ 8 d stale
                   16                     1.4
pod-pause          ·            ✓ 50 s    ? 40 s
                                1         1.4
network-partition  ·            ·         ✗ 3 h stale
                                          1.3

✓ passed  ✗ failed  ? inconclusive  · never tried; below each, the version tested
0 passed, 0 failed, 1 inconclusive, 3 stale, 2 never tried
Which services are there was looked up at 2026-01-10T11:59:48.000Z.
`)
})

test('no line is wider than the terminal, every kind has its row, and nothing is left that a terminal obeys', () => {
  const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  const strange = fc.record({ app: word, version: word, experiment: word })
  fc.assert(fc.property(strange, fc.integer({ min: 40, max: 300 }), ({ app, version, experiment }, width) => {
    const on = [service(app, version)]
    const strangers = factsOf({ run: 'r9', atMs: nowMs - 1_000, experiment, hits: [{ kind: 'pod-kill', on }] }).reduce(foldCoverage, state)
    const shown = renderCoverage({ coverage: coverageOf(strangers, { nowMs, look: { atMs: nowMs, services: [web, ...on] } }), nowMs, source: experiment }, { width, colour: false })
    const rows = shown.split('\n').slice(2, -4) // what stands around the matrix is prose
    assert.ok(rows.every(line => widthOf(line) <= width), `${width}\n${shown}`)
    assert.doesNotMatch(shown, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
    assert.ok(coverage.kinds.every(kind => rows.some(line => line.startsWith(kind))))
  }), { numRuns: 50 })
})

test('services that have no room beside the others stand in a block below, with every kind again', () => {
  const many = Array.from({ length: 12 }, (_, index) => service(`service-${index}`))
  const shown = coverageOf(state, { nowMs, look: { atMs: nowMs, services: many } })
  const rows = (width: number) => text(width, shown).split('\n').filter(line => line.startsWith('pod-pause'))
  assert.equal(rows(400).length, 1)
  assert.ok(rows(60).length > 3)
  for (const width of [400, 60]) assert.equal(rows(width).join(' ').match(/[·✓?]/g)?.length, shown.services.length, 'each service once')
})

test('colours change what is seen, not where it stands', () => {
  const painted = renderCoverage(report, { width: 100, colour: true })
  assert.match(painted, /\u001b\[32m|\u001b\[31m/)
  assert.equal(painted.replaceAll(/\u001b\[\d+m/g, '').replaceAll(/ +$/gm, ''), text(100))
})

test('without any service it says why, in every form', () => {
  const nothing = { ...report, coverage: coverageOf(noCoverage, { nowMs, unknown: 'no agent is alive' }) }
  for (const printed of [renderCoverage(nothing, { width: 80, colour: false }), printCoverageHtml(nothing), printCoverageMarkdown(nothing)]) {
    assert.match(printed, /No service is known/)
    assert.match(printed, /no agent is alive/)
  }
})

test('the page names every row and column for who hears it, scrolls by keyboard, asks nobody for anything and runs nothing', () => {
  const page = printCoverageHtml(report)
  for (const kind of coverage.kinds) assert.ok(page.includes(`<th scope="row">${kind}</th>`), kind)
  assert.match(page, /<th scope="col">shop\/web<br><code>1\.4<\/code><\/th>/)
  assert.match(page, /class="failed-run"><span class="badge">✕ failed<\/span><br><span title="2026-01-10T09:00:00\.000Z, run r2 of partition">3 h ago<\/span>, stale<br><code>1\.3<\/code>/)
  assert.match(page, /role="region" aria-labelledby="matrix" tabindex="0"/)
  assert.match(page, /prefers-color-scheme: dark/)
  assert.doesNotMatch(page, /<script|<link|<img|<iframe|<object|\bsrc=|\bhref=|url\(|@import|\bon\w+=/)
})

test('others\' words are words in the page and in Markdown', () => {
  const evil = service('<script>alert(1)</script>|`x`', '"><b>')
  const shown = coverageOf(factsOf({ run: 'r', atMs: nowMs, hits: [{ kind: 'pod-kill', on: [evil] }] }).reduce(foldCoverage, noCoverage), { nowMs })
  assert.doesNotMatch(printCoverageHtml({ coverage: shown, nowMs, source: '<i>' }), /<script>|<b>"|<i>/)
  const rows = printCoverageMarkdown({ coverage: shown, nowMs, source: '<i>' }).split('\n').filter(line => line.startsWith('|'))
  assert.ok(rows.every(row => row.replaceAll('\\|', '').split('|').length === 4), rows[0])
  assert.doesNotMatch(rows.join('\n'), /(?<!\\)<script|(?<!\\)`/)
})

test('in Markdown a kind of fault is a row and a service a column', () => {
  const rows = printCoverageMarkdown(report).split('\n')
  assert.ok(rows.includes('| fault | shop/db<br>16 | shop/old<br>gone | shop/web<br>1.4 |'))
  assert.ok(rows.includes('| network-partition | never tried | never tried | **failed**, stale<br>3 h ago<br>1.3 |'))
  assert.equal(rows.filter(row => row.startsWith('|')).length, coverage.kinds.length + 2)
})

test('an age is one number and one unit', () => {
  assert.deepEqual([-5, 0, 59_999, 60_000, 3_599_999, 47 * hourMs, 48 * hourMs, 400 * 24 * hourMs].map(printAge), ['0 s', '0 s', '59 s', '1 min', '59 min', '47 h', '2 d', '400 d'])
})

const terminal = { width: 80, colour: false }
async function resultsOf(logs: Record<string, RunStory>) {
  const folder = await mkdtemp(join(tmpdir(), 'faultline-coverage-'))
  for (const [name, story] of Object.entries(logs)) {
    await mkdir(join(folder, name), { recursive: true })
    await writeFile(join(folder, name, 'events.jsonl'), printEventLog(factsOf(story)))
  }
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}
const local = (run: string, more: Partial<RunStory> = {}): RunStory => ({ run, atMs: Date.now() - 60_000, hits: [{ kind: 'pause', on: 'process' }], declared: [service('shop', '1.4', '')], ...more })

test('results folders are folded wherever below they are, a campaign\'s too; a run that was copied counts once', async () => {
  await using results = await resultsOf({ 'r1': local('r1'), 'campaign/runs/r2': local('r2', { verdict: 'failed', atMs: Date.now() - 30_000 }), 'copy-of-r1': local('r1') })
  const json = await coverageCommand({ results: [results.folder], staleAfter: '1h', json: true }, terminal)
  const [shop] = coverageSchema.parse(JSON.parse(json)).services
  assert.deepEqual([shop?.app, shop?.versions, shop?.cells.map(({ kind, run, verdict, stale }) => [kind, run, verdict, stale])], ['shop', ['1.4'], [['pause', 'r2', 'failed', false]]])
  assert.match(await coverageCommand({ results: [results.folder], staleAfter: '1s' }, terminal), /^coverage from 3 runs in .*\n[^]*^pause +✗ \d+ s stale\n +1\.4$/m)
})

test('page and Markdown are written beside what is printed', async () => {
  await using results = await resultsOf({ r1: local('r1') })
  const [html, markdown] = [join(results.folder, 'c.html'), join(results.folder, 'c.md')]
  assert.match(await coverageCommand({ results: [results.folder], staleAfter: '168h', html, markdown }, terminal), /✓ 50 s|✓ \d+ s/)
  assert.match(await readFile(html, 'utf8'), /^<!doctype html>[^]*✓ passed/)
  assert.match(await readFile(markdown, 'utf8'), /^# Coverage\n[^]*\*\*passed\*\*/)
})

test('what cannot be is said with what was expected', async () => {
  await using results = await resultsOf({ r1: local('r1') })
  const refused = async (options: Partial<Parameters<typeof coverageCommand>[0]>, why: RegExp) => assert.rejects(coverageCommand({ results: [results.folder], staleAfter: '168h', ...options }, terminal), (error: unknown) => error instanceof Error && 'exitCode' in error && error.exitCode === 3 && why.test(error.message))
  await refused({ staleAfter: '7' }, /--stale-after 7: expected a duration such as/)
  await refused({ staleAfter: '10ms' }, /expected a duration between 1s and 8784h/)
  await refused({ results: [join(results.folder, 'nowhere')] }, /there is no folder .*nowhere/)
  await mkdir(join(results.folder, 'empty'))
  await refused({ results: [join(results.folder, 'empty')] }, /no run has left its events\.jsonl/)
  await refused({ html: join(results.folder, 'nowhere', 'c.html') }, /--html .* cannot be written/)
})

test('what a run tests is said as APP=VERSION', () => {
  assert.deepEqual(parseTestedServices(['shop=1.4', 'db=sha256:ab', 'shop=1.4', 'a=b=c']), [service('a', 'b=c', ''), service('db', 'sha256:ab', ''), service('shop', '1.4', '')])
  for (const text of ['shop', 'shop=', '=1', '', 'my shop=1', 'shop=1 2', 'experiment.yaml']) assert.throws(() => parseTestedServices([text]), /expected a service and its version as APP=VERSION/)
})
