import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { firstLink, signRecord } from '#shared/decision-record.ts'
import { checkRelease, type ReleaseQuestion } from '#shared/release-check.ts'
import { experimentIdentity, releaseRunsOf, type ReleaseRun } from '#shared/release-run.ts'
import { newSigningKey, signerOf } from '#shared/signing-key.ts'
import type { TestedService } from '#shared/tested-service.ts'
import { recordOf } from '../parts/signed-record.ts'
import { LogBuilder, logOf } from '../parts/verdict-log-builder.ts'

const nowMs = 1_800_000_000_000
const hourMs = 3_600_000
const shop = (version = '1.2.3', namespace = 'jewelry'): TestedService => ({ namespace, app: 'shop', version })
const redis: TestedService = { namespace: 'jewelry', app: 'redis', version: '7.4' }

/** Exactly the right run. */
const right: ReleaseRun = {
  run: 'pod-loss-1', experiment: 'pod-loss', hash: 'a'.repeat(64), sealedAtMs: nowMs - hourMs, verdict: 'passed', reasons: ['every gate held'], revertUnconfirmed: false,
  begin: [redis, shop()], end: [redis, shop()], unknown: null, doubt: null,
}
const run = (change: Partial<ReleaseRun> = {}): ReleaseRun => ({ ...right, ...change })
const check = (change: Partial<ReleaseQuestion> = {}) => checkRelease({ app: 'shop', version: '1.2.3', withinMs: 24 * hourMs, required: [{ experiment: 'pod-loss' }], runs: [right], nowMs, ...change })

test('exactly the right run passes, by the name of the service alone, with its namespace, and with the hash of its experiment', () => {
  assert.deepEqual(check(), {
    passed: true, decision: 'pass', app: 'shop', version: '1.2.3', withinMs: 24 * hourMs, reasons: [],
    experiments: [{ experiment: 'pod-loss', decision: 'pass', run: 'pod-loss-1', verdict: 'passed', ageMs: hourMs, versions: ['1.2.3'], why: 'pod-loss-1 passed on shop 1.2.3' }],
  })
  assert.equal(check({ app: 'jewelry/shop', required: [{ experiment: 'pod-loss', hash: right.hash }] }).passed, true)
  assert.equal(check({ runs: [run({ begin: [shop('1.2.3', '')], end: [shop('1.2.3', '')] })] }).passed, true, 'of a machine, which has no namespaces')
})

/** Each of these must block, and say why. */
const blocks: [name: string, change: Partial<ReleaseQuestion>, reason: RegExp][] = [
  ['nothing is required', { required: [] }, /^no experiment is required of it/],
  ['there is no run', { runs: [] }, /^pod-loss: no run of it is on record$/],
  ['only another experiment has run', { runs: [run({ experiment: 'pod-loss-gate' })] }, /no run of it is on record/],
  ['one of two has not run', { required: [{ experiment: 'pod-loss' }, { experiment: 'redis-loss' }] }, /^redis-loss: no run of it is on record$/],
  ['the run is too old', { withinMs: hourMs - 1 }, /pod-loss-1 is too old: it ended 1h ago, and 59m59\.999s are allowed/],
  ['the run is from the future', { runs: [run({ sealedAtMs: nowMs + hourMs })] }, /ended 1h from now, by a clock that cannot be right/],
  ['the run was on another version', { version: '1.2.4' }, /none of its runs was on shop 1\.2\.4; the newest, pod-loss-1, was on 1\.2\.3$/],
  ['a version that only begins alike', { version: '1.2' }, /none of its runs was on shop 1\.2;/],
  ['the run was on other services alone', { runs: [run({ begin: [redis], end: [redis] })] }, /was not on shop at all/],
  ['the service is in another namespace', { app: 'staging/shop' }, /was not on staging\/shop at all/],
  ['it was updated in mid-run', { runs: [run({ begin: [shop('1.2.2')] })] }, /as pod-loss-1 began, shop was there as 1\.2\.2, not as 1\.2\.3 alone/],
  ['it was replaced in mid-run', { runs: [run({ end: [shop('1.2.4')] })] }, /as pod-loss-1 ended, shop was there as 1\.2\.4, not as 1\.2\.3 alone/],
  ['an update was under way', { runs: [run({ begin: [shop('1.2.2'), shop()] })] }, /as pod-loss-1 began, shop was there as 1\.2\.2 and 1\.2\.3, not as 1\.2\.3 alone/],
  ['it was gone at the end', { runs: [run({ end: [redis] })] }, /shop was not there as pod-loss-1 ended/],
  ['its versions are not on record at the end', { runs: [run({ end: null })] }, /which versions were there as pod-loss-1 ended is not on record/],
  ['its versions are not on record at all', { runs: [run({ begin: null, end: null })] }, /as pod-loss-1 began is not on record; .* as pod-loss-1 ended is not on record/],
  ['its versions could not be found out', { runs: [run({ begin: null, end: null, unknown: 'cluster did not answer discover' })] }, /could not be found out: cluster did not answer discover/],
  ['its versions could not be found out at the end', { runs: [run({ end: null, unknown: 'nobody listens' })] }, /could not be found out: nobody listens/],
  ['it failed', { runs: [run({ verdict: 'failed', reasons: ['errors: 12 %'] })] }, /^pod-loss: pod-loss-1 failed: errors: 12 %$/],
  ['it was inconclusive', { runs: [run({ verdict: 'inconclusive', reasons: ['no data'] })] }, /pod-loss-1 was inconclusive: no data/],
  ['it is under way', { runs: [run({ verdict: null, sealedAtMs: null, end: null })] }, /pod-loss-1 has no verdict: it is under way, or was left without one/],
  ['it is sealed and not judged', { runs: [run({ verdict: null })] }, /has no verdict/],
  ['it was judged without an end', { runs: [run({ sealedAtMs: null })] }, /has no verdict/],
  ['a fault was not confirmed as reverted', { runs: [run({ revertUnconfirmed: true })] }, /a fault of pod-loss-1 was not confirmed as reverted/],
  ['a weaker experiment has run under its name', { required: [{ experiment: 'pod-loss', hash: 'b'.repeat(64) }] }, /pod-loss-1 was of another experiment under this name \(SHA-256 aaaaaaaaaaaa…, required bbbbbbbbbbbb…\)/],
  ['its log does not replay', { runs: [run({ doubt: 'its verdict is not what its log says' })] }, /pod-loss-1 cannot be relied on: its verdict/],
  ['the name is that of two services', { runs: [run({ begin: [shop(), shop('1.2.3', 'staging')] })] }, /shop is in several namespaces; say which is meant: jewelry\/shop, staging\/shop/],
  ['the name is another service\'s in each run', { required: [{ experiment: 'pod-loss' }, { experiment: 'b' }], runs: [right, run({ run: 'b-1', experiment: 'b', begin: [shop('1.2.3', 'staging')], end: [shop('1.2.3', 'staging')] })] }, /^shop is in several namespaces; say which is meant: jewelry\/shop, staging\/shop$/],
  ['something on record cannot be read', { unreadable: ['the fact 17 cannot be read'] }, /^the fact 17 cannot be read$/],
  ['a newer run failed', { runs: [right, run({ run: 'pod-loss-2', verdict: 'failed' })] }, /pod-loss-2 failed/],
  ['a newer run is under way', { runs: [right, run({ run: 'pod-loss-2', verdict: null, sealedAtMs: null, end: null })] }, /pod-loss-2 has no verdict/],
  ['of a newer run nobody knows what it was on', { runs: [right, run({ run: 'pod-loss-2', begin: null, end: null })] }, /pod-loss-2 began is not on record/],
  ['a newer run saw this version among others', { runs: [right, run({ run: 'pod-loss-2', end: [shop('1.2.4')] })] }, /as pod-loss-2 ended/],
]
for (const [name, change, reason] of blocks) {
  test(`blocks when ${name}`, () => {
    const { passed, decision, reasons } = check(change)
    assert.deepEqual([passed, decision], [false, 'block'])
    assert.ok(reasons.some(words => reason.test(words)), reasons.join('\n'))
  })
}

test('a newer run on another version says nothing about this one, and the newest of those that do decides', () => {
  const other = run({ run: 'pod-loss-9', begin: [shop('1.2.4')], end: [shop('1.2.4')], verdict: 'failed' })
  assert.equal(check({ runs: [run({ run: 'pod-loss-0', verdict: 'failed' }), right, other] }).experiments[0]?.run, 'pod-loss-1')
  assert.equal(check({ runs: [run({ run: 'pod-loss-0', verdict: 'failed' }), right, other] }).passed, true)
})

test('of two services of one name, in whatever versions, the run is no evidence for either', () => {
  const both = run({ begin: [shop(), shop('9', 'staging')], end: [shop(), shop('9', 'staging')] })
  assert.match(check({ runs: [both] }).experiments[0]?.why ?? '', /^shop is in several namespaces; say which is meant/)
  assert.equal(check({ runs: [both], app: 'jewelry/shop' }).passed, true)
})

test('every reason is told, not the first alone', () => {
  const { reasons } = check({ runs: [run({ verdict: 'failed', reasons: ['errors'], revertUnconfirmed: true, sealedAtMs: nowMs - 48 * hourMs, end: [shop('2')] })] })
  for (const part of ['failed: errors', 'not confirmed as reverted', 'was there as 2', 'too old: it ended 48h ago']) assert.ok(reasons[0]?.includes(part), part)
})

const versions = fc.constantFrom('1.2.2', '1.2.3', '1.2.4')
const there = fc.array(fc.record({ namespace: fc.constantFrom('jewelry', 'staging'), app: fc.constantFrom('shop', 'redis'), version: versions }), { maxLength: 3 })
const anyRun: fc.Arbitrary<ReleaseRun> = fc.record({
  run: fc.uuid(), experiment: fc.constantFrom('pod-loss', 'redis-loss'), hash: fc.constantFrom('a'.repeat(64), 'b'.repeat(64)),
  sealedAtMs: fc.option(fc.integer({ min: nowMs - 72 * hourMs, max: nowMs + 2 * hourMs })), verdict: fc.option(fc.constantFrom('passed', 'failed', 'inconclusive')),
  reasons: fc.constant([]), revertUnconfirmed: fc.boolean(), begin: fc.option(there), end: fc.option(there), unknown: fc.option(fc.constant('nobody listens'), { freq: 8 }), doubt: fc.option(fc.constant('cut short'), { freq: 8 }),
})
/** Written down once more, without the code's help. */
const isRight = ({ experiment, hash, sealedAtMs, verdict, revertUnconfirmed, begin, end, unknown, doubt }: ReleaseRun): boolean => {
  const aloneIn = (services: readonly TestedService[] | null) => {
    const found = (services ?? []).filter(({ app, namespace }) => app === 'shop' && namespace === 'jewelry')
    return found.length > 0 && found.every(({ version }) => version === '1.2.3')
  }
  return experiment === 'pod-loss' && hash === 'a'.repeat(64) && verdict === 'passed' && !revertUnconfirmed && unknown === null && doubt === null
    && sealedAtMs !== null && sealedAtMs >= nowMs - 24 * hourMs && sealedAtMs <= nowMs + 60_000 && aloneIn(begin) && aloneIn(end)
}
const ask = (runs: ReleaseRun[]) => check({ app: 'jewelry/shop', required: [{ experiment: 'pod-loss', hash: 'a'.repeat(64) }], runs }).passed

test('no run but the right one turns a block into a pass, wherever it is added', () => {
  const mostlyRight = fc.oneof(anyRun, anyRun.chain(other => fc.subarray(Object.keys(other) as (keyof ReleaseRun)[], { maxLength: 2 }).map(keys => ({ ...right, ...Object.fromEntries(keys.map(key => [key, other[key]])) }))))
  fc.assert(fc.property(fc.array(mostlyRight, { maxLength: 6 }), mostlyRight, fc.nat(6), (runs, added, at) => {
    const after = runs.toSpliced(at, 0, added)
    if (ask(after) && !ask(runs)) assert.ok(isRight(added), JSON.stringify(added))
    if (ask(runs)) assert.ok(runs.some(isRight))
  }), { numRuns: 2_000 })
})

test('the runs are folded from facts: the first word counts, and what was declared holds to the end', () => {
  const document = (name: string) => ({ apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name }, faults: [], gates: [] })
  const submitted = { experiment: document('pod-loss'), experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } }
  const log = new LogBuilder().add('run.submitted', submitted).add('run.services', { when: 'begin', services: [shop()], atMs: 1 }).add('run.services', { when: 'begin', services: [redis], atMs: 2 })
    .add('run.sealed', { atMs: 3 }).add('run.sealed', { atMs: 9 }).add('run.judged', { verdict: 'failed', reasons: ['errors'], revertUnconfirmed: true }).add('run.judged', { verdict: 'passed', reasons: [], revertUnconfirmed: false })
    .add('run.submitted', { ...submitted, experiment: document('another') })
  assert.deepEqual(releaseRunsOf(log.facts), [{
    run: 'r1', experiment: 'pod-loss', hash: experimentIdentity(document('pod-loss')), sealedAtMs: 3, verdict: 'failed', reasons: ['errors'], revertUnconfirmed: true, begin: [shop()], end: null, unknown: null, doubt: null,
  }])
  const declared = new LogBuilder().add('run.submitted', submitted).add('run.services', { when: 'begin', services: [shop()], declared: true, atMs: 1 })
  assert.deepEqual(releaseRunsOf(declared.facts)[0]?.end, [shop()])
  const blind = new LogBuilder().add('run.submitted', submitted).add('run.services', { when: 'begin', services: [], unknown: 'one', atMs: 1 }).add('run.services', { when: 'end', services: [], unknown: 'two', atMs: 1 })
  assert.deepEqual([releaseRunsOf(blind.facts)[0]?.unknown, releaseRunsOf(blind.facts)[0]?.begin], ['one', null])
  assert.deepEqual(releaseRunsOf(log.facts.slice(1, -1)), [], 'a run that nobody submitted')
  assert.equal(releaseRunsOf(new LogBuilder().add('run.submitted', { ...submitted, experiment: 7 }).facts)[0]?.experiment, '')
})

test('an experiment is the same whatever its labels, and another one with any other word', () => {
  const written = { kind: 'Experiment', metadata: { name: 'a' }, gates: [{ name: 'errors', errorRate: { max: '1%' } }] }
  assert.equal(experimentIdentity({ gates: written.gates, metadata: { namespace: 'x', labels: { team: 'y' }, name: 'a' }, kind: 'Experiment' }), experimentIdentity(written))
  for (const other of [{ ...written, metadata: { name: 'b' } }, { ...written, gates: [{ name: 'errors', errorRate: { max: '2%' } }] }, { ...written, hold: '1s' }]) assert.notEqual(experimentIdentity(other), experimentIdentity(written))
})

test('where keys are trusted, only a verdict counts that one of them has signed, and of which nothing was changed since', () => {
  const [signer, stranger] = [signerOf(newSigningKey().seed), signerOf(newSigningKey().seed)]
  const chain = { link: firstLink('pod-loss-1'), facts: 9, sealed: true, experimentHash: 'x' }
  const signed = (by = signer, change: Partial<ReleaseRun> = {}) => run({ record: signRecord('pod-loss-1', { verdict: 'passed', reasons: ['every gate held'], revertUnconfirmed: false }, chain, by), ...change })
  const reasonsOf = (its: ReleaseRun) => check({ runs: [its], trustedKeys: [signer.publicKey] }).reasons.join('; ')
  assert.equal(reasonsOf(signed()), '')
  assert.match(reasonsOf(right), /^pod-loss: the verdict on pod-loss-1 is not signed: its evaluator had no key, or was of an older version\. Only what U\w+ has signed counts: run it again$/)
  assert.match(reasonsOf(signed(stranger)), /^pod-loss: the verdict on pod-loss-1 is signed by U\w+, which is not trusted: run it again, or have that key trusted, too, /)
  assert.match(reasonsOf(signed(signer, { reasons: ['nothing held'] })), /^pod-loss: the signature on the verdict on pod-loss-1 is not that of U\w+$/)
  assert.match(reasonsOf(signed(signer, { verdict: null })), /^pod-loss: pod-loss-1 has no verdict/)
  assert.equal(check({ runs: [signed(stranger)] }).passed, true, 'where none is trusted, any counts')
})

test('of a run it is on record who has signed its verdict', () => {
  const signer = signerOf(newSigningKey().seed)
  assert.deepEqual([recordOf(logOf(), signer), recordOf(logOf())].map(facts => releaseRunsOf(facts)[0]?.record?.key), [signer.publicKey, undefined])
})
