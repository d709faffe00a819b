import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { beginChain, extendChain, nextLink, signRecord } from '#shared/decision-record.ts'
import type { StoredFact } from '#shared/events.ts'
import { newSigningKey, signerOf, type Signer } from '#shared/signing-key.ts'
import { judge, printJudgement } from '#shared/verdict.ts'
import { printEventLog } from '../../services/cli/report/event-log.ts'
import { printVerification } from '../../services/cli/verify/verify-report.ts'
import { recordOf, saidAgainst, verifyLines } from '../parts/signed-record.ts'
import { duringFault, injectedMs, logOf } from '../parts/verdict-log-builder.ts'

const signer = signerOf(newSigningKey().seed)
const trusted = [signer.publicKey]
const facts = recordOf(logOf(), signer)
const linesOf = (all: readonly StoredFact[]) => printEventLog(all).trimEnd().split('\n')
const lines = linesOf(facts)
const sealAt = facts.findIndex(({ kind }) => kind === 'run.sealed')
const failedScript = logOf({
  sampleAt: duringFault({ ok: { 20: 1 }, failed: { 20: 9 } }, injectedMs + 3_400),
  abort: { cause: 'gate', detail: 'errors: broken', gate: 'errors', atMs: injectedMs + 3_300 },
})

/** Says a verdict on these facts, whatever they show. */
function judgedAs(all: readonly StoredFact[], change: Partial<{ verdict: 'passed' | 'failed'; reasons: string[] }>, by: Signer): StoredFact[] {
  const sealed = all.filter(({ kind }) => kind !== 'run.judged')
  const chain = sealed.reduce((links, stored) => extendChain(links, stored), beginChain('r1'))
  return all.map(stored => {
    if (stored.kind !== 'run.judged') return stored
    const { record: _record, ...was } = stored.fact.data
    const judged = { ...was, ...change }
    return { ...stored, fact: { ...stored.fact, data: { ...judged, record: signRecord('r1', judged, chain, by) } } }
  })
}

test('the record of a run verifies: passed or failed, with its results folder\'s verdict or alone', async () => {
  for (const script of [logOf(), failedScript]) {
    const all = recordOf(script, signer)
    for (const verdictFile of [undefined, printJudgement(judge(all))]) {
      const found = await verifyLines(linesOf(all), trusted, verdictFile)
      assert.deepEqual([found.result, found.verdict, found.key, saidAgainst(found)], ['verified', judge(script).verdict, signer.publicKey, ''])
    }
  }
})

test('without a key that is trusted it says whose signature it is and that nobody vouches for it', async () => {
  const found = await verifyLines(lines, [])
  assert.equal(found.result, 'unvouched')
  assert.equal(saidAgainst(found), 'key: nobody vouches for this key: anybody can make one; name the one that you trust with --public-key')
  assert.match(printVerification(found), new RegExp(`^NOT VOUCHED FOR.*\\n(?:.*\\n)*  signature  ok  ${signer.publicKey} has signed this verdict and this chain\\n`))
})

test('a record signed by another key is refuted where a key is trusted, however well it holds', async () => {
  const stranger = signerOf(newSigningKey().seed)
  const forged = linesOf(recordOf(logOf(), stranger))
  const found = await verifyLines(forged, trusted)
  assert.deepEqual([found.result, saidAgainst(found)], ['refuted', `key: signed by ${stranger.publicKey}, which is not trusted; trusted: ${signer.publicKey}`])
  assert.equal((await verifyLines(forged, [...trusted, stranger.publicKey])).result, 'verified', 'two may be trusted')
})

test('an old record without signature and links is told as unsigned; it never verifies', async () => {
  const old = recordOf(logOf()).map(({ stream, fact }) => JSON.stringify({ stream, fact }))
  const found = await verifyLines(old, [])
  assert.equal(found.result, 'unvouched')
  assert.match(saidAgainst(found), /^signature: the verdict is not signed: .*nobody vouches for any of this$/)
  assert.equal((await verifyLines(old, trusted)).result, 'refuted')
})

test('a signed record verifies by its facts alone when its lines bear no links, and what is wrong then shows, if not where', async () => {
  const bare = facts.map(({ stream, fact }) => JSON.stringify({ stream, fact }))
  assert.equal((await verifyLines(bare, trusted)).result, 'verified')
  const found = await verifyLines(bare.toSpliced(40, 1), trusted)
  assert.equal(found.result, 'refuted')
  assert.match(saidAgainst(found), /chain: the chain of these facts ends in .*its lines bear no links, so that nobody can tell which; by their sources' numbers there lack \d+ of \/faultline/)
})

/** Every place of a value within JSON. */
const leavesOf = (value: unknown): (string | number)[][] => typeof value !== 'object' || value === null ? [[]]
  : Object.entries(value).flatMap(([key, inner]) => leavesOf(inner).map(path => [Array.isArray(value) ? Number(key) : key, ...path]))

function changedAt(value: unknown, [key, ...rest]: (string | number)[]): unknown {
  if (key === undefined) return typeof value === 'number' ? value + 1 : typeof value === 'boolean' ? !value : typeof value === 'string' ? `${value}x` : 1
  const inner = value as Record<string | number, unknown>
  return Array.isArray(value) ? value.with(Number(key), changedAt(value[Number(key)], rest)) : { ...inner, [key]: changedAt(inner[key], rest) }
}

test('any change of any value in any line is found, and the line is named', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(lines.length - 1), fc.nat(), async (at, which) => {
    const written: unknown = JSON.parse(lines[at] ?? '')
    const leaves = leavesOf(written)
    const leaf = leaves[which % leaves.length] ?? []
    const found = await verifyLines(lines.with(at, JSON.stringify(changedAt(written, leaf))), trusted)
    assert.equal(found.result, 'refuted', leaf.join('.'))
    assert.match(saidAgainst(found), new RegExp(`line ${at + 1}\\)|events\\.jsonl:${at + 1}:`), leaf.join('.'))
  }), { numRuns: 300 })
})

test('any line that is taken out is found, with what stood around it', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(lines.length - 1), async at => {
    const found = await verifyLines(lines.toSpliced(at, 1), trusted)
    assert.equal(found.result, 'refuted')
    const said = saidAgainst(found)
    if (at === lines.length - 1) assert.match(said, /signature: the run was never judged/)
    else if (at > sealAt) assert.match(said, /taken out or added right before fact \d+ \(run\.judged/)
    else assert.match(said, new RegExp(`missing (?:between .*line ${at}\\) and|before) .*line ${at + 1}\\)`))
    const { source, sequence } = facts[at]?.fact ?? assert.fail()
    if (facts.slice(at + 1).some(({ fact }) => fact.source === source)) assert.match(said, new RegExp(`numbers: ${sequence} of ${source}`))
  }), { numRuns: 100 })
})

test('any line that stands there twice, wherever the other is, is found', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(lines.length - 1), fc.nat(lines.length), async (which, at) => {
    const found = await verifyLines(lines.toSpliced(at, 0, lines[which] ?? ''), trusted)
    assert.equal(found.result, 'refuted')
    assert.match(saidAgainst(found), new RegExp(`fact ${which + 1} \\(.*stands there twice`))
  }), { numRuns: 100 })
})

test('any two lines that have changed places are found, and so are two facts whose places in the stream were exchanged', async () => {
  await fc.assert(fc.asyncProperty(fc.uniqueArray(fc.nat(lines.length - 1), { minLength: 2, maxLength: 2 }), async ([a = 0, b = 0]) => {
    const swapped = lines.with(a, lines[b] ?? '').with(b, lines[a] ?? '')
    const found = await verifyLines(swapped, trusted)
    assert.equal(found.result, 'refuted')
    assert.match(saidAgainst(found), /was moved: it came after/)
    if (Math.min(a, b) > sealAt) return // signed by nobody
    const [one, other] = [facts[a] ?? assert.fail(), facts[b] ?? assert.fail()]
    const exchanged = linesOf(facts.with(a, { ...one, stream: other.stream }).with(b, { ...other, stream: one.stream }))
    assert.equal((await verifyLines(exchanged, trusted)).result, 'refuted')
  }), { numRuns: 100 })
})

test('a fact that was added with a link of its own is named, and the others are not', async () => {
  const roomy = judgedAs(facts.map(stored => ({ ...stored, stream: stored.stream * 2 })), {}, signer) // there is room between the places
  const its = linesOf(roomy)
  assert.equal((await verifyLines(its, trusted)).result, 'verified')
  await fc.assert(fc.asyncProperty(fc.nat(sealAt - 1), async at => {
    const before = roomy[at] ?? assert.fail()
    const { link } = JSON.parse(its[at] ?? '') as { link: string }
    const added = { ...before, stream: before.stream + 1, fact: { ...before.fact, id: 'forged' } } as StoredFact
    const line = JSON.stringify({ after: link, link: nextLink(link, added), stream: added.stream, fact: added.fact })
    const found = await verifyLines(its.toSpliced(at + 1, 0, line), trusted)
    assert.equal(found.result, 'refuted')
    assert.match(saidAgainst(found), new RegExp(`^chain: fact ${added.stream} \\(.*line ${at + 2}\\) was added: no link of the chain leads to it(?:\\n(?!chain).*)*$`))
  }), { numRuns: 30 })
})

test('whoever makes all links anew after a change does not come to the end that was signed', async () => {
  const changed = facts.map(stored => stored.kind === 'load.sample' ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, users: 9 } } } : stored)
  const found = await verifyLines(linesOf(changed), trusted)
  assert.equal(found.result, 'refuted')
  assert.match(saidAgainst(found), /^chain: the chain of this log ends in [0-9a-f]{64}, and [0-9a-f]{64} was signed: .*nobody can tell which$/m)
  const { link } = changed.reduce((chain, stored) => extendChain(chain, stored), beginChain('r1'))
  const renamed = changed.map(stored => stored.kind === 'run.judged' && stored.fact.data.record ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, record: { ...stored.fact.data.record, chain: link } } } } : stored)
  assert.match(saidAgainst(await verifyLines(linesOf(renamed), trusted)), /^signature: the signature is not that of .* over this verdict and this chain$/, 'nor by naming the new end in its place')
})

test('a verdict that the facts do not give is found even when a trusted key has signed it', async () => {
  const found = await verifyLines(linesOf(judgedAs(recordOf(failedScript, signer), { verdict: 'passed', reasons: ['all is well'] }, signer)), trusted)
  assert.deepEqual([found.result, saidAgainst(found)], ['refuted', 'verdict: on record is passed, and the facts give failed: errors: broken'])
  const reasons = await verifyLines(linesOf(judgedAs(facts, { reasons: ['all is well'] }, signer)), trusted)
  assert.match(saidAgainst(reasons), /^verdict: on record is passed for other reasons than the facts give: every gate held/)
})

test('a changed verdict, a second one, and a verdict.json of another run are found', async () => {
  const turned = await verifyLines(linesOf(facts.map(stored => stored.kind === 'run.judged' ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, verdict: 'failed' as const } } } : stored)), trusted)
  assert.match(saidAgainst(turned), /^signature: the signature is not that of .* over this verdict and this chain$/m)
  const last = facts.at(-1) ?? assert.fail()
  const twice = await verifyLines(linesOf([...facts, { ...last, stream: last.stream + 1, fact: { ...last.fact, id: 'second' } } as StoredFact]), trusted)
  assert.match(saidAgainst(twice), /^signature: there are 2 verdicts, and the stream takes one/)
  const other = await verifyLines(lines, trusted, printJudgement(judge(failedScript)))
  assert.equal(saidAgainst(other), 'verdict: verdict.json is not, byte for byte, what the facts give')
})

test('a count of facts, a hash of the experiment and a look that do not fit what is signed are found', async () => {
  const submitted = facts.map(stored => stored.kind === 'run.submitted' ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, experimentHash: 'x' } } } : stored)
  assert.match(saidAgainst(await verifyLines(linesOf(judgedAs(submitted, {}, signer)), trusted)), /^experiment: its SHA-256 is [0-9a-f]{64}, and the scheduler has x on record$/)

  const looked = (change: (look: { endMs: number }) => object) => judgedAs(facts.map(stored => stored.kind === 'slo.tick' && stored.fact.data.looks
    ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, looks: stored.fact.data.looks.map((look, index) => index === 0 ? { ...look, ...change(look) } : look) } } } : stored), {}, signer)
  const measured = { is: 'measured' as const, value: 0.5, breaks: true, bad: 1, total: 2 }
  assert.match(saidAgainst(await verifyLines(linesOf(looked(() => ({ measurement: measured }))), trusted)), /^looks: the look of errors \(during\) that ended at \d+, in fact \d+, was recorded as .*"value":0\.5.*, and the facts show /)
  assert.match(saidAgainst(await verifyLines(linesOf(looked(({ endMs }) => ({ endMs: endMs + 1 }))), trusted)), /^looks: .*does not follow from the facts$/)
})

test('a run that was never judged is no evidence, and lines that are no facts are told by their number', async () => {
  const unjudged = await verifyLines(lines.slice(0, -1), [])
  assert.deepEqual([unjudged.result, unjudged.verdict], ['unvouched', null])
  const cut = await verifyLines([...lines.slice(0, 20), (lines[20] ?? '').slice(0, 50), ...lines.slice(21)], trusted)
  assert.match(saidAgainst(cut), /^log: events\.jsonl:21: not a fact.*\nchain: a fact or several are missing between .*line 20\) and .*line 22\)/)
})

test('people read the result first, then each check in a line of its own, and nothing of others\' words acts', () => {
  assert.equal(printVerification({
    result: 'refuted', run: 'r1', verdict: 'passed', key: 'U', chain: 'c',
    checks: [{ check: 'log', is: 'good', says: ['12 facts'] }, { check: 'chain', is: 'bad', says: ['one\u001b[2J', 'two\nlines'] }, { check: 'key', is: 'unknown', says: ['nobody'] }],
  }), `\
REFUTED: this is not what was recorded and signed
  run        r1, passed
  log        ok  12 facts
  chain      BAD one\\u{1b}[2J
             BAD two lines
  key        ?   nobody
`)
})

test('a log that was cut off, or lacks much, is told as far as it goes', async () => {
  const without = (line: string | undefined) => JSON.stringify({ ...JSON.parse(line ?? '') as object, link: undefined })
  const bare = (all: readonly StoredFact[]) => all.map(({ stream, fact }) => JSON.stringify({ stream, fact }))
  const chainOf = async (its: readonly string[]) => (await verifyLines(its, [])).checks.find(({ check }) => check === 'chain')
  assert.equal((await chainOf(lines.slice(0, 20)))?.is, 'good', 'nothing was signed yet')
  assert.equal((await chainOf(bare(facts.slice(0, 20))))?.is, 'good')
  assert.match((await chainOf([...lines.slice(0, 19), without(lines[19])]))?.says.join('\n') ?? '', /^fact 20 \(.*was changed: its link is of another text$/)
  assert.match((await chainOf([...lines.slice(0, 20), lines.at(-1) ?? '']))?.says.join('\n') ?? '', /missing after fact \d+ \(run\.judged/)
  assert.match((await chainOf([...lines.slice(0, 20), ...lines.slice(60)]))?.says.join('\n') ?? '', /missing between .*line 20\) and .*line 21\); by their sources' numbers: .* and \d+ more/)
  const changed = facts.map(stored => stored.kind === 'load.sample' ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, users: 9 } } } : stored)
  assert.match((await chainOf(bare(changed)))?.says.join('\n') ?? '', /its lines bear no links, so that nobody can tell which$/)
})
