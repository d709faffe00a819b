import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkRelease, type ReleaseDecision } from '#shared/release-check.ts'
import { experimentIdentity } from '#shared/release-run.ts'
import { newSigningKey } from '#shared/signing-key.ts'
import { readLocalRuns } from '../../services/cli/release/local-runs.ts'
import { printRelease, printReleaseJunit, printReleaseMarkdown } from '../../services/cli/release/release-report.ts'
import { NoResults } from '../../services/cli/replay.ts'
import { recordedExperiment, writeResults } from '../parts/release-results.ts'

const nowMs = Date.now()
const hourMs = 3_600_000

async function resultsFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'faultline-release-'))
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}
async function decideOn(results: string): Promise<ReleaseDecision> {
  return checkRelease({ app: 'shop', version: '1.2.3', withinMs: 24 * hourMs, required: [{ experiment: 'scripted', hash: experimentIdentity(recordedExperiment) }], nowMs, ...await readLocalRuns(results) })
}

test('a results folder whose log gives its verdict again is evidence, and the newest run decides whatever its folder is called', async () => {
  await using results = await resultsFolder()
  await writeResults(results.path, { run: 'z', endedAtMs: nowMs - 2 * hourMs, verdict: 'failed' })
  assert.match((await decideOn(results.path)).reasons.join(), /^scripted: z failed: errors: broken$/)
  await writeResults(results.path, { run: 'm', endedAtMs: nowMs - hourMs })
  assert.deepEqual(await decideOn(results.path).then(({ passed, reasons, experiments }) => ({ passed, reasons, run: experiments[0]?.run, ageMs: experiments[0]?.ageMs })), { passed: true, reasons: [], run: 'm', ageMs: hourMs })
  await writeResults(results.path, { run: 'a', endedAtMs: nowMs, verdict: 'inconclusive' })
  assert.match((await decideOn(results.path)).reasons.join(), /^scripted: a was inconclusive: aborted \(user\): aborted by me$/)
})

test('a folder whose log does not give its verdict byte for byte blocks, and so does one that lacks or holds what it should not', async () => {
  const tampered: [(folder: string) => Promise<unknown>, RegExp][] = [
    [folder => appendFile(join(folder, 'verdict.json'), '\n'), /cannot be relied on: the log in .*m does not give its verdict\.json/],
    [folder => rm(join(folder, 'verdict.json')), /does not give its verdict\.json/],
    [async folder => writeFile(join(folder, 'events.jsonl'), (await readFile(join(folder, 'events.jsonl'), 'utf8')).split('\n').toSpliced(40, 1).join('\n')), /does not give its verdict\.json/],
    [folder => appendFile(join(folder, 'events.jsonl'), '{"fact":'), /cut short/],
    [async folder => writeFile(join(folder, 'events.jsonl'), (await readFile(join(folder, 'events.jsonl'), 'utf8')).replace('"verdict":"passed"', '"verdict":"failed"')), /it was judged failed, and its log in .* gives passed/],
    [folder => writeFile(join(folder, 'events.jsonl'), ''), /holds no fact.*what is no evidence does not belong in/],
    [async folder => writeFile(join(folder, 'events.jsonl'), (await readFile(join(folder, 'events.jsonl'), 'utf8')).split('\n').slice(1).join('\n')), /does not say what was submitted/],
  ]
  for (const [tamper, why] of tampered) {
    await using results = await resultsFolder()
    await tamper(await writeResults(results.path, { run: 'm' }))
    const { passed, reasons } = await decideOn(results.path)
    assert.equal(passed, false)
    assert.match(reasons.join('\n'), why)
  }
})

test('where a key is trusted, a folder whose record it has not signed blocks, and says why', async () => {
  await using results = await resultsFolder()
  await writeResults(results.path, { run: 'm' })
  assert.equal((await readLocalRuns(results.path)).runs[0]?.doubt, null)
  assert.match((await readLocalRuns(results.path, [newSigningKey().publicKey])).runs[0]?.doubt ?? '', /^its record in .*m does not verify: the verdict is not signed.*; run it again$/)
})

test('a run that nobody judged has no verdict, and one of which nobody said what was tested no version', async () => {
  await using results = await resultsFolder()
  await writeResults(results.path, { run: 'm', judged: false })
  assert.match((await decideOn(results.path)).reasons.join(), /m has no verdict/)
  await writeResults(results.path, { run: 'n', endedAtMs: nowMs + 1_000, services: [] })
  assert.match((await decideOn(results.path)).reasons.join(), /m has no verdict/, 'a run that was on nothing says nothing of this version')
})

test('what is no results folder is left aside; a folder that is not there is invalid input', async () => {
  await using results = await resultsFolder()
  await mkdir(join(results.path, 'notes'))
  await writeFile(join(results.path, 'notes.txt'), 'x')
  assert.deepEqual(await readLocalRuns(results.path), { runs: [], unreadable: [] })
  await assert.rejects(readLocalRuns(join(results.path, 'nowhere')), (error: unknown) => error instanceof NoResults && error.exitCode === 3)
})

const decision: ReleaseDecision = {
  passed: false, decision: 'block', app: 'shop', version: '1.2.3', withinMs: 24 * hourMs,
  reasons: ['pod-loss: pod-loss-1 failed: errors: <b>12 %</b>', 'redis-loss: no run of it is on record', 'fact 17 cannot be read'],
  experiments: [
    { experiment: 'pod-loss', decision: 'block', run: 'pod-loss-1', verdict: 'failed', ageMs: 90 * 60_000 + 12_345, versions: ['1.2.3'], why: 'pod-loss-1 failed: errors: <b>12 %</b>' },
    { experiment: 'redis-loss', decision: 'block', run: null, verdict: null, ageMs: null, versions: [], why: 'no run of it is on record' },
    { experiment: 'quiet', decision: 'pass', run: 'quiet-1', verdict: 'passed', ageMs: 12_345, versions: ['1.2.3'], why: 'quiet-1 passed on shop 1.2.3' },
  ],
}

test('people read what comes of it first, and then why', () => {
  assert.equal(printRelease(decision), `\
block  shop 1.2.3 must not go out
  block  pod-loss    pod-loss-1 failed: errors: <b>12 %</b>
  block  redis-loss  no run of it is on record
  pass   quiet       quiet-1 passed on shop 1.2.3, 12s ago
  block  fact 17 cannot be read
`)
  assert.equal(printRelease({ ...decision, passed: true, decision: 'pass', reasons: [], experiments: decision.experiments.slice(2) }), `\
pass  shop 1.2.3 may go out: every required experiment passed on it within 24h
  pass   quiet  quiet-1 passed on shop 1.2.3, 12s ago
`)
  assert.equal(printRelease({ ...decision, reasons: ['\u001b[2Jx\ny'], experiments: [] }), 'block  shop 1.2.3 must not go out\n  block  \\u{1b}[2Jx y\n')
})

test('a comment on a pull request has the reasons and a row for each experiment, and nothing in it acts', () => {
  assert.equal(printReleaseMarkdown(decision), `\
### Release check: ⛔ shop 1.2.3 must not go out

- pod-loss: pod-loss-1 failed: errors: \\<b\\>12 %\\</b\\>
- redis-loss: no run of it is on record
- fact 17 cannot be read

| experiment | decision | verdict | versions seen | ended | run |
| --- | --- | --- | --- | --- | --- |
| pod-loss | **block** | failed | 1.2.3 | 1h30m ago | pod-loss-1 |
| redis-loss | **block** | – | – | – | – |
| quiet | pass | passed | 1.2.3 | 12s ago | quiet-1 |
`)
})

test('in JUnit what failed is a failure, what is not known an error, and the whole has a case of its own', () => {
  const xml = printReleaseJunit(decision)
  assert.match(xml, /<testsuite name="release shop 1\.2\.3" tests="4" failures="2" errors="1" skipped="0">/)
  assert.match(xml, /name="pod-loss">\s*<failure message="pod-loss-1 failed: errors: &lt;b>12 %&lt;\/b>"/)
  assert.match(xml, /name="redis-loss">\s*<error message="no run of it is on record"/)
  assert.match(xml, /name="quiet"\/>/)
  assert.match(xml, /name="release">\s*<failure/)
  assert.doesNotMatch(printReleaseJunit({ ...decision, passed: true, reasons: [], experiments: decision.experiments.slice(2) }), /<failure|<error/)
})
