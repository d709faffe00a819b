import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StoredFact } from '#shared/events.ts'
import { judge } from '#shared/verdict.ts'
import { NoResults, replay } from '../../services/cli/replay.ts'
import { printEventLog, readEventLog } from '../../services/cli/report/event-log.ts'
import { writeReport } from '../../services/cli/report/write-report.ts'
import { demandOneVerdict } from '../../services/cli/run.ts'
import { clock, duringFault, injectedMs, LogBuilder, logOf } from '../parts/verdict-log-builder.ts'

const failedRun = logOf({
  sampleAt: duringFault({ ok: { 20: 1 }, failed: { 20: 9 } }, injectedMs + 3_400),
  abort: { cause: 'gate', detail: 'errors: broken', gate: 'errors', atMs: injectedMs + 3_300 },
})

async function resultsOf(facts: readonly StoredFact[]) {
  const folder = await mkdtemp(join(tmpdir(), 'faultline-replay-'))
  const { judgement } = await writeReport(folder, facts)
  const log = join(folder, 'events.jsonl')
  return { folder, judgement, log, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

test('a replay of each results folder gives the same bytes and no problem', async () => {
  for (const facts of [logOf(), failedRun, logOf({ load: false, gates: [{ name: 'asked', source: 'prometheus', promql: { query: 'up', max: 1 } }] })]) {
    await using results = await resultsOf(facts)
    assert.deepEqual(await replay(results.folder), { judgement: results.judgement, identical: true, problems: [] })
  }
})

test('a command does not end with another verdict than the one on record', () => {
  const recorded = (verdict: 'passed' | 'failed' | 'inconclusive') => {
    const log = new LogBuilder()
    for (const { kind, fact } of logOf()) log.add(kind, fact.data)
    return log.add('run.judged', { verdict, reasons: ['as the test says'], revertUnconfirmed: false }).facts
  }
  const judgement = judge(logOf())
  assert.equal(judgement.verdict, 'passed')
  demandOneVerdict(recorded('passed'), judgement, 'results/r1')
  demandOneVerdict(logOf(), judgement, 'results/r1') // of a run without a verdict the command says so itself
  for (const verdict of ['failed', 'inconclusive'] as const) {
    assert.throws(() => demandOneVerdict(recorded(verdict), judgement, 'results/r1'), {
      name: 'VerdictsDiffer', exitCode: 4, message: new RegExp(`^the run r1 is on record as ${verdict} \\(as the test says\\), and this command makes passed of its facts .*What was recorded is in results/r1$`),
    })
  }
})

test('a replay gives the same bytes however the lines are shuffled and doubled', async () => {
  await using results = await resultsOf(failedRun)
  const lines = (await readFile(results.log, 'utf8')).trimEnd().split('\n')
  const whole = fc.shuffledSubarray(lines, { minLength: lines.length })
  await fc.assert(fc.asyncProperty(whole, fc.subarray(lines), fc.nat(lines.length), async (shuffled, doubled, at) => {
    await writeFile(results.log, `${[...shuffled.slice(0, at), ...doubled, ...shuffled.slice(at)].join('\n')}\n`)
    const { identical, problems } = await replay(results.folder)
    assert.deepEqual({ identical, problems }, { identical: true, problems: [] })
  }), { numRuns: 20 })
})

test('a last line cut short is told and left out, and the rest is judged', async () => {
  await using results = await resultsOf(failedRun)
  await appendFile(results.log, '{"fact":{"data":{"atMs":1')
  const { identical, problems } = await replay(results.folder)
  assert.equal(identical, true)
  assert.equal(problems.length, 1)
  assert.ok(problems[0]?.startsWith(`events.jsonl:${failedRun.length + 1}: cut short`), problems[0])
})

test('a line taken out of the middle makes the replay inconclusive and not identical', async () => {
  await using results = await resultsOf(failedRun)
  const lines = (await readFile(results.log, 'utf8')).split('\n')
  await writeFile(results.log, lines.toSpliced(40, 1).join('\n'))
  const { judgement, identical } = await replay(results.folder)
  assert.equal(identical, false)
  assert.match(judgement.reasons.join('\n'), /log incomplete/)
})

test('a verdict changed by a byte, and one that is gone, are not identical', async () => {
  await using results = await resultsOf(logOf())
  const verdict = join(results.folder, 'verdict.json')
  await appendFile(verdict, '\n')
  assert.equal((await replay(results.folder)).identical, false)
  await rm(verdict)
  const { identical, problems, judgement } = await replay(results.folder)
  assert.deepEqual([identical, judgement.verdict, problems.length], [false, 'passed', 1])
  assert.match(problems[0] ?? '', /nothing to compare with/)
})

test('a folder without a log, and a log without a fact, are invalid input that names the file', async () => {
  await using results = await resultsOf(logOf())
  await assert.rejects(replay(join(results.folder, 'nowhere')), (error: unknown) => error instanceof NoResults && error.exitCode === 3 && /nowhere.events\.jsonl/.test(error.message))
  await writeFile(results.log, 'not a fact\n\n')
  await assert.rejects(replay(results.folder), /events\.jsonl holds no fact \(events\.jsonl:1: not a fact/)
})

test('a log reads back as it was written, wherever the pieces are cut and whatever separators stand in its strings', async () => {
  const facts = logOf({ also: log => log.add('run.aborting', { cause: 'user', detail: 'line\u2028paragraph\u2029next\u0085 \ud83d\ude00 "\\n"\n', atMs: injectedMs, clock }) })
  const text = printEventLog(facts)
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 5_000 }), async size => {
    const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, index) => text.slice(index * size, (index + 1) * size))
    assert.deepEqual(await readEventLog(chunks), { facts, problems: [] })
  }), { numRuns: 20 })
})

test('a line that is JSON but no fact of the catalogue is told by its number, and the rest is read', async () => {
  const [first, ...others] = printEventLog(logOf()).trimEnd().split('\n')
  const strangers = ['{"stream":1}', (first ?? '').replace('"stream":1', '"stream":0'), '[]', (first ?? '').replace('dev.faultline.run.submitted', 'dev.faultline.run.invented')]
  const { facts, problems } = await readEventLog([[...strangers, ...others, ''].join('\n')])
  assert.equal(facts.length, others.length)
  assert.deepEqual(problems.map(problem => problem.slice(0, 16)), [1, 2, 3, 4].map(line => `events.jsonl:${line}: `))
  assert.match(problems[3] ?? '', /run\.invented/)
})

test('facts of two runs in one log are told', async () => {
  const other = logOf().map(stored => ({ ...stored, fact: { ...stored.fact, subject: 'r2' } }) as StoredFact)
  const { problems } = await readEventLog([printEventLog([...logOf(), ...other])])
  assert.deepEqual(problems.map(problem => problem.slice(0, 35)), ['events.jsonl: holds facts of 2 runs'])
})

test('a log that ends without a newline loses nothing', async () => {
  const facts = logOf()
  const { facts: read, problems } = await readEventLog([printEventLog(facts).trimEnd()])
  assert.deepEqual([read.length, problems], [facts.length, []])
  assert.equal(judge(read).verdict, 'passed')
})
