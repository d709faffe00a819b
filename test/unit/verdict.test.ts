import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StoredFact } from '#shared/events.ts'
import { judge, printJudgement } from '#shared/verdict.ts'
import { clock, document, duringFault, errorsGate, injectedMs, LogBuilder, logOf, promGate, revertedMs, sample, t0, type Story } from '../parts/verdict-log-builder.ts'

const broken = { ok: { 20: 1 }, failed: { 20: 9 } }
const gateAbort = (atMs: number, gate = 'errors') => ({ cause: 'gate' as const, detail: `${gate}: broken`, gate, atMs })
const asked = { gates: [promGate] }
const good = () => ({ is: 'value' as const, value: 0.5 })

test('a run in which everything held and everything was seen passes', () => {
  const judgement = judge(logOf())
  assert.deepEqual([judgement.verdict, judgement.exitCode, judgement.revertUnconfirmed], ['passed', 0, false], judgement.reasons.join('\n'))
  assert.deepEqual(judgement.recovery?.recoveredInMs, 0)
  assert.deepEqual(judgement.faults, [{
    id: '1-pause', kind: 'pause', node: 'n1', targets: ['postgres'], injectedAtMs: injectedMs, revertedAtMs: revertedMs, verified: true, cause: 'duration',
  }])
  assert.deepEqual(judgement.load, { users: 10, requests: 1510, failures: 0, p50Ms: 20, p95Ms: 20, requestsPerSecond: 50, reached: true })
  assert.equal(judgement.gates[0]?.looks.length, 10)
})

test('an instant fault needs no revert to pass', () => {
  const judgement = judge(logOf({ fault: 'kill' }))
  assert.deepEqual([judgement.verdict, judgement.faults[0]?.cause], ['passed', 'instant'], judgement.reasons.join('\n'))
})

test('who was told to do a fault, by one leader or by two, has done it', () => {
  const judgement = judge(logOf({ also: log => { ordered(['n1'], 1)(log); ordered(['n1'], 2)(log) } }))
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('\n'))
})

test('a run of Prometheus gates alone, without load, passes on good answers', () => {
  const judgement = judge(logOf({ ...asked, load: false, answerAt: good }))
  assert.deepEqual([judgement.verdict, judgement.load], ['passed', null], judgement.reasons.join('\n'))
})

const ordered = (nodes: string[], revision: number) => (log: LogBuilder): void => void log.add('fault.ordered', { fault: '1-pause', kind: 'pause', nodes, epoch: { bucketCreatedMs: 0, revision }, atMs: injectedMs })

/** Each of these made some tool say "passed". */
const falsePasses: [name: string, story: Story, reason: RegExp][] = [
  ['empty answers', { ...asked, answerAt: () => ({ is: 'no-data', why: 'empty: no series' }) }, /empty/],
  ['NaN answers', { ...asked, answerAt: () => ({ is: 'no-data', why: 'NaN' }) }, /NaN/],
  ['infinite answers', { ...asked, answerAt: () => ({ is: 'no-data', why: 'infinite (Infinity)' }) }, /infinite/],
  ['stale answers', { ...asked, answerAt: () => ({ is: 'no-data', why: 'stale: 6000 ms old' }) }, /stale/],
  ['answers with several series', { ...asked, answerAt: () => ({ is: 'no-data', why: '3 series, not one' }) }, /3 series/],
  ['late answers', { ...asked, answerAt: () => ({ ...good(), lateMs: 2_300 }) }, /late/],
  ['no answers at all', asked, /never answered/],
  ['every fifth answer missing', { ...asked, answerAt: atMs => atMs % 5_000 === 2_000 ? { is: 'no-data', why: 'x' } : good() }, /of 10 looks were readable/],
  ['zero load while the fault holds', { sampleAt: duringFault({ ok: {} }) }, /no request ended/],
  ['samples missing while the fault holds', { sampleAt: duringFault(null) }, /no load sample/],
  ['fewer requests than minRequests', { gates: [{ ...errorsGate, minRequests: 51 }] }, /50 requests, fewer than minRequests/],
  ['a fault never confirmed as injected', { injected: null, reverted: null }, /never confirmed as injected/],
  ['a fault that one of two nodes never told of', { also: ordered(['n1', 'n2'], 1) }, /^1-pause was never confirmed as injected on n2$/],
  ['a fault that a node never told of which one leader had told, and the next one has not', { also: log => { ordered(['n1', 'n2'], 1)(log); ordered(['n1'], 2)(log) } }, /^1-pause was never confirmed as injected on n2$/],
  ['an injection whose effect was not seen', { injected: { verified: false } }, /its effect was not seen/],
  ['a revert that was not confirmed', { reverted: { verified: false } }, /not confirmed/],
  ['no revert at all', { reverted: null }, /not confirmed/],
  ['a fault whose machine lost its power, and came back when most of its time was over', { reverted: { cause: 'restart', revertedAtMs: injectedMs + 9_900 } }, /1-pause on \S+ was cut short .* nobody saw when/],
  ['a fault whose agent was stopped in the middle of it', { reverted: { cause: 'command', revertedAtMs: injectedMs + 2_000 } }, /after 2000 ms of its 10000 ms \(cause: command\)/],
  ['a fault that a halt has ended, when most of its time was over', { reverted: { cause: 'halt', revertedAtMs: injectedMs + 9_900 } }, /1-pause on n1 was ended by a halt/],
  ['a lapsed lease', { also: log => log.add('fault.lapsed', { fault: '1-pause', kind: 'pause', node: 'n1', atMs: t0 }) }, /lease/],
  ['a refused fault', { also: log => log.add('fault.refused', { fault: '1-pause', kind: 'pause', node: 'n1', why: 'no target matches' }) }, /no target matches/],
  ['a load generator that fell over', { also: log => log.add('load.state', { state: 'failed', users: 0, targetUsers: 10, atMs: t0, detail: 'exit 1' }) }, /exit 1/],
  ['a log without its end', { seal: false }, /run.sealed is missing/],
  ['only a steady gate', { gates: [{ ...errorsGate, phase: 'steady' }] }, /no gate judged/],
  ['a user\'s abort', { abort: { cause: 'user', detail: 'aborted by me', atMs: t0 + 9_000 } }, /aborted by me/],
]

for (const [name, story, reason] of falsePasses) {
  test(`never passes: ${name}`, () => {
    const judgement = judge(logOf(story))
    assert.equal(judgement.verdict, 'inconclusive')
    assert.match(judgement.reasons.join('\n'), reason)
    assert.ok([2, 4].includes(judgement.exitCode))
  })
}

test('zero targets cannot even be written into the log', () => {
  assert.throws(() => logOf({ injected: { targets: [] } }), /targets/)
})

test('a load that never reached its users never passes', () => {
  const facts = logOf().map(stored => stored.kind === 'load.state' ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, state: 'ramping' as const } } } : stored)
  assert.deepEqual([judge(facts).verdict, judge(facts).reasons], ['inconclusive', ['the load never reached its users']])
})

test('an unconfirmed revert ends with exit code 4, in a failed run too', () => {
  for (const story of [{ reverted: { verified: false } }, { reverted: null, abort: gateAbort(t0 + 8_200), sampleAt: duringFault(broken, t0 + 8_200) }]) {
    const { exitCode, revertUnconfirmed } = judge(logOf(story))
    assert.deepEqual([exitCode, revertUnconfirmed], [4, true])
  }
})

test('a later confirmation makes a revert good', () => {
  const log = logOf({ reverted: { verified: false } })
  const first = log.find(({ kind }) => kind === 'fault.reverted')
  assert.ok(first?.kind === 'fault.reverted')
  const again = new LogBuilder().add('fault.reverted', { ...first.fact.data, verified: true }).facts[0]
  assert.ok(again?.kind === 'fault.reverted')
  const second = { ...again, stream: first.stream + 0.5, fact: { ...again.fact, id: 'later', source: '/faultline/injector/2' } }
  assert.equal(judge([...log, second]).verdict, 'passed')
})

test('a gate\'s abort fails the run, and the breach is dated by the samples, not by the evaluator', () => {
  const judgement = judge(logOf({ sampleAt: duringFault(broken, t0 + 8_300), abort: gateAbort(t0 + 8_300) }))
  assert.deepEqual([judgement.verdict, judgement.exitCode, judgement.gates[0]?.verdict], ['failed', 1, 'failed'])
  assert.equal(judgement.gates[0]?.breachedAtMs, injectedMs + 3_000)
  assert.deepEqual(judgement.timings, { breachToAbortMs: 300, breachToRevertedMs: 400, firstBadToRevertedMs: 3_400, why: {} })
  assert.match(judgement.gates[0]?.evidence ?? '', /90 % \(45 bad of 50 requests\)/)
})

test('requests that only wait break an error rate: the overdue count as failed', () => {
  const stalled = duringFault({ ok: {}, inFlight: { 2_000: 4, 3_000: 6 } }, t0 + 8_300)
  const judgement = judge(logOf({ sampleAt: stalled, abort: gateAbort(t0 + 8_300) }))
  assert.equal(judgement.gates[0]?.breachedAtMs, injectedMs + 3_000)
})

test('an abort whose breach is not in the samples is failed, and says that its timings are not known', () => {
  const { verdict, timings } = judge(logOf({ abort: gateAbort(t0 + 8_300) }))
  assert.deepEqual([verdict, timings.breachToAbortMs], ['failed', null])
  assert.match(timings.why.breachToAbortMs ?? '', /no gate was breached/)
})

test('a during gate that broke without an abort fails the run', () => {
  const judgement = judge(logOf({ sampleAt: duringFault(broken) }))
  assert.deepEqual([judgement.verdict, judgement.timings.breachToAbortMs], ['failed', null])
  assert.match(judgement.timings.why.breachToAbortMs ?? '', /no gate aborted/)
})

test('two breaking blocks are not three in a row', () => {
  const judgement = judge(logOf({ sampleAt: duringFault(broken, injectedMs + 2_000) }))
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('\n'))
})

test('a recovery that does not come by the deadline fails the run, even when the during gates held', () => {
  const recovery = [errorsGate, { ...errorsGate, name: 'again', phase: 'recovery' }]
  const judgement = judge(logOf({ gates: recovery, sampleAt: atMs => atMs > revertedMs ? broken : {} }))
  assert.deepEqual([judgement.verdict, judgement.recovery?.met, judgement.recovery?.recoveredInMs], ['failed', false, null])
  assert.equal(judgement.gates[1]?.verdict, 'failed')
})

test('recovery is dated from the last revert to the start of the stretch that held', () => {
  const judgement = judge(logOf({ sampleAt: atMs => atMs > revertedMs && atMs <= revertedMs + 4_000 ? broken : {} }))
  assert.deepEqual([judgement.verdict, judgement.recovery?.recoveredInMs], ['passed', 4_000])
})

test('a recovery that cannot be read is inconclusive, not failed', () => {
  const judgement = judge(logOf({ sampleAt: atMs => atMs > revertedMs + 1_000 ? null : {} }))
  assert.deepEqual([judgement.verdict, judgement.recovery?.met], ['inconclusive', false])
})

/** The same run, whose scheduler dated the end of the fault's time as ever, and could store that only five seconds later. */
function endStoredLate(story: Story): StoredFact[] {
  const facts = logOf(story)
  const isLate = ({ kind, fact }: StoredFact) => kind === 'run.phase' && (fact.data.phase === 'revert' || fact.data.phase === 'recover')
  const storedFrom = facts.findIndex(({ kind, fact }) => kind === 'slo.tick' && fact.data.atMs === revertedMs + 5_000)
  return [...facts.slice(0, storedFrom).filter(fact => !isLate(fact)), ...facts.filter(isLate), ...facts.slice(storedFrom)].map((stored, index) => ({ ...stored, stream: index + 1 }))
}

test('looks that ended after the phase, and were taken because its end came late on record, make up for none of its own that could not be read', () => {
  const blind = (atMs: number) => atMs > injectedMs + 6_000 && atMs <= revertedMs
  const rate = { ...errorsGate, limit: 'rate', errorRate: { max: '2%' } }
  for (const [story, evidence] of [
    [{ ...asked, load: false, answerAt: atMs => blind(atMs) ? { is: 'no-data', why: 'away' } : good() }, /only 6 of 10 looks were readable/],
    [{ sampleAt: atMs => blind(atMs) ? null : {} }, /only 6 of 10 looks were readable/],
    [{ gates: [rate], sampleAt: atMs => blind(atMs) ? null : {} }, /0 bad of 300 requests.* only 6 of 10 looks were readable/],
  ] as [Story, RegExp][]) {
    const [late, inTime] = [judge(endStoredLate(story)), judge(logOf(story))]
    assert.equal(late.verdict, 'inconclusive')
    assert.match(late.gates[0]?.evidence ?? '', evidence)
    assert.deepEqual(late.gates, inTime.gates)
    assert.equal(judge(endStoredLate({ ...story, sampleAt: () => ({}), answerAt: good })).verdict, 'passed')
  }
})

test('a breach that was seen before the end of the phase was on record stands, whatever that is dated', () => {
  const judgement = judge(endStoredLate({ sampleAt: atMs => atMs > revertedMs && atMs <= revertedMs + 4_000 ? broken : {} }))
  assert.deepEqual([judgement.verdict, judgement.gates[0]?.verdict], ['failed', 'failed'])
})

test('what comes first in the stream decides', () => {
  const abort = gateAbort(t0 + 8_300)
  const lapsed = (log: LogBuilder) => { log.add('fault.lapsed', { fault: '1-pause', kind: 'pause', node: 'n1', atMs: t0 }) }
  assert.equal(judge(logOf({ sampleAt: duringFault(broken, abort.atMs), abort, also: lapsed })).verdict, 'failed', 'leases lapse after an abort')
  assert.equal(judge(logOf({ sampleAt: duringFault(broken), also: lapsed })).verdict, 'inconclusive')
})

test('a Prometheus gate\'s breach is dated by its history, and not at all without one', () => {
  const abort = gateAbort(t0 + 8_100, 'asked')
  const answerAt = (atMs: number) => ({ is: 'value' as const, value: atMs > injectedMs + 1_000 ? 5 : 0 })
  const history = Array.from({ length: 40 }, (_, index): [number, number] => [injectedMs + index * 100, index >= 8 ? 5 : 0])
  const dated = judge(logOf({ ...asked, answerAt, abort, history }))
  assert.equal(dated.gates[0]?.breachedAtMs, injectedMs + 1_800, 'one interval after the value broke, since two looks in a row are the rule')
  assert.deepEqual([dated.verdict, dated.timings.breachToAbortMs, dated.timings.firstBadToRevertedMs], ['failed', 1_300, null])
  const undated = judge(logOf({ ...asked, answerAt, abort }))
  assert.equal(undated.timings.breachToAbortMs, null)
  assert.match(undated.timings.why.breachToAbortMs ?? '', /slo.history/)
  const holes = judge(logOf({ ...asked, answerAt, abort, history: history.filter((_, index) => index % 10 === 0) }))
  assert.match(holes.timings.why.breachToAbortMs ?? '', /does not break/)
})

test('dates of different clocks are not subtracted', () => {
  const abort = gateAbort(t0 + 8_300)
  const { timings } = judge(logOf({ sampleAt: duringFault(broken, abort.atMs), abort, reverted: { clock: 'boot-2' } }))
  assert.deepEqual([timings.breachToAbortMs, timings.breachToRevertedMs, timings.firstBadToRevertedMs], [300, null, null])
  assert.match(timings.why.breachToRevertedMs ?? '', /2 different clocks/)
})

test('a missing line makes the log incomplete, whichever it is', () => {
  const facts = logOf({ sampleAt: duringFault(broken, t0 + 8_300), abort: gateAbort(t0 + 8_300) })
  const last = new Map(facts.map(({ fact }, index) => [fact.source, index]))
  for (const [index, { kind, fact }] of facts.entries()) {
    if (index === 0 || index === last.get(fact.source) || index % 7 !== 0) continue // the last line of a source leaves no gap
    const { verdict, reasons } = judge(facts.toSpliced(index, 1))
    assert.equal(verdict, 'inconclusive', kind)
    assert.match(reasons[0] ?? '', /log incomplete: missing are 1 of/)
  }
})

test('a breach needs as many requests as a look does', () => {
  const abort = gateAbort(t0 + 8_300)
  const { timings } = judge(logOf({ gates: [{ ...errorsGate, minRequests: 51 }], sampleAt: duringFault(broken, abort.atMs), abort }))
  assert.deepEqual([timings.breachToAbortMs, timings.why.breachToAbortMs], [null, 'no gate was breached'])
})

test('of two broken gates the one that aborted is timed; the first broken one when none did', () => {
  const gates = [{ ...errorsGate, name: 'patient', consecutive: 5 }, errorsGate]
  const abort = gateAbort(t0 + 10_300, 'patient')
  assert.equal(judge(logOf({ gates, sampleAt: duringFault(broken, abort.atMs), abort })).timings.breachToAbortMs, 300)
  assert.equal(judge(logOf({ gates, sampleAt: duringFault(broken) })).timings.breachToRevertedMs, revertedMs - injectedMs - 3_000)
})

test('an aborted run\'s gates that were not broken are inconclusive, not passed', () => {
  const gates = [errorsGate, { name: 'p95', latency: { quantile: 0.95, max: '500ms' } }, { ...errorsGate, name: 'again', phase: 'recovery' }]
  const judgement = judge(logOf({ gates, sampleAt: duringFault(broken, t0 + 8_300), abort: gateAbort(t0 + 8_300) }))
  assert.deepEqual(judgement.gates.map(({ verdict }) => verdict), ['failed', 'inconclusive', 'passed'])
})

test('a load without one request never passes, whatever Prometheus answers', () => {
  const { verdict, reasons } = judge(logOf({ ...asked, answerAt: good, sampleAt: () => ({ ok: {} }) }))
  assert.deepEqual([verdict, reasons], ['inconclusive', ['the load sent no request']])
})

test('a gate with fewer looks than a breach takes never passes', () => {
  const { verdict, reasons } = judge(logOf({ gates: [{ ...errorsGate, consecutive: 20 }] }))
  assert.equal(verdict, 'inconclusive')
  assert.match(reasons[0] ?? '', /only 10 readable looks, fewer than the 20/)
})

test('a run that never left its hold, and one whose load never sent a sample, never pass', () => {
  const log = new LogBuilder()
  for (const { kind, fact } of logOf()) if (!('phase' in fact.data && fact.data.phase === 'revert')) log.add(kind, fact.data)
  assert.ok(judge(log.facts).reasons.includes('the run did not go through to its end'))
  const silent = judge(logOf({ sampleAt: () => null }))
  assert.deepEqual([silent.verdict, silent.load?.requestsPerSecond, silent.load?.p95Ms], ['inconclusive', null, null])
})

test('a load generator that fell over without a word still decides', () => {
  const { reasons } = judge(logOf({ also: log => log.add('load.state', { state: 'failed', users: 0, targetUsers: 10, atMs: t0 }) }))
  assert.deepEqual(reasons, ['the load generator failed'])
})

test('a block without samples ends a row of breaking ones, in the breach\'s date too', () => {
  const sampleAt = (atMs: number) => atMs <= injectedMs ? {} : atMs > injectedMs + 2_000 && atMs <= injectedMs + 3_000 ? null : atMs === revertedMs ? { ok: {} } : broken
  const { gates, timings } = judge(logOf({ sampleAt, gates: [{ ...errorsGate, noDataAfter: '9s' }] }))
  assert.equal(gates[0]?.breachedAtMs, injectedMs + 6_000)
  assert.equal(timings.firstBadToRevertedMs, revertedMs - injectedMs)
})

test('a broken availability names its worst block', () => {
  const sampleAt = (atMs: number) => atMs === injectedMs + 600 ? broken : {}
  const { gates } = judge(logOf({ sampleAt, gates: [{ name: 'available', availability: { min: '90%' } }] }))
  assert.match(gates[0]?.evidence ?? '', /1 of 10 readable looks broke it, the worst 82 % \(9 bad of 50 requests\)/)
})

test('a Prometheus gate that reads the load is dated by the raw samples in its own sliding window, not by what was scraped', () => {
  const gates = [{ name: 'asked', source: 'prometheus', window: '5s', errorRate: { max: '10%' } }]
  const answerAt = () => ({ is: 'value' as const, value: 0.9 })
  // ten requests in each 200 ms, nine of them bad: after 600 ms 27 of the last 250 are
  const { gates: [judged], timings } = judge(logOf({ gates, sampleAt: duringFault(broken), answerAt }))
  assert.equal(judged?.breachedAtMs, injectedMs + 600 + 1_000, 'from the first broken window on for as long as two looks span')
  assert.equal(timings.breachToRevertedMs, revertedMs - injectedMs - 1_600)
  assert.equal(timings.firstBadToRevertedMs, revertedMs - injectedMs)
  const healed = judge(logOf({ gates, sampleAt: atMs => atMs === injectedMs + 1_000 || atMs === injectedMs + 3_000 ? { ok: {}, failed: { 20: 40 } } : {}, answerAt }))
  assert.equal(healed.gates[0]?.breachedAtMs, injectedMs + 2_000, 'what Prometheus alone saw broken is still dated by the samples')
})

test('of two broken gates the one that can be dated is timed, whichever stands first in the file', () => {
  const story = { sampleAt: duringFault(broken), answerAt: () => ({ is: 'value' as const, value: 5 }), history: [[injectedMs - 100, 5]] satisfies [number, number][] }
  for (const gates of [[promGate, errorsGate], [errorsGate, promGate]]) assert.equal(judge(logOf({ ...story, gates })).timings.breachToRevertedMs, revertedMs - injectedMs - 3_000)
})

test('a gate that broke before any fault never passes, and its breach is no date of the fault\'s', () => {
  const judgement = judge(logOf({ gates: [{ ...errorsGate, phase: 'steady' }, { ...errorsGate, name: 'during' }], sampleAt: atMs => atMs <= injectedMs ? broken : {} }))
  assert.deepEqual(judgement.gates.map(({ verdict, breachedAtMs }) => [verdict, breachedAtMs]), [['failed', undefined], ['passed', undefined]])
  assert.equal(judgement.verdict, 'inconclusive')
  assert.match(judgement.reasons.join('\n'), /^errors \(steady\): .*broken in 3 looks in a row, 3000 ms into the phase; the last of them 90 % \(45 bad of 50 requests\)/)
})

test('a fault on two nodes is two confirmations, and the run is reverted with the later of them', () => {
  const log = new LogBuilder()
  for (const { kind, fact } of logOf({ sampleAt: duringFault(broken) })) {
    if (kind === 'fault.reverted') log.add(kind, { ...fact.data, node: 'n2', revertedAtMs: revertedMs + 400 }) // stored first, dated last
    log.add(kind, fact.data)
    if (kind === 'fault.injected') log.add(kind, { ...fact.data, node: 'n2', injectedAtMs: injectedMs + 50 })
  }
  const { faults, timings, revertUnconfirmed } = judge(log.facts)
  assert.deepEqual(faults.map(({ node, injectedAtMs, revertedAtMs, verified }) => [node, injectedAtMs, revertedAtMs, verified]), [['n1', injectedMs, revertedMs, true], ['n2', injectedMs + 50, revertedMs + 400, true]])
  assert.deepEqual([timings.breachToRevertedMs, revertUnconfirmed], [revertedMs + 400 - injectedMs - 3_000, false])
})

test('what joined a fault is a part of its own: it must be seen, be gone, and last until the fault ends; one that was refused decides nothing', () => {
  const joined = (injected: object, reverted: object | null, refused = false) => {
    const log = new LogBuilder()
    const part = { fault: '1-pause.2', node: 'n2', targets: [{ id: 'pod:2', pod: { namespace: 's', name: 'p', uid: '2', node: 'n2' }, description: 's/p on n2' }] }
    for (const { kind, fact } of logOf()) {
      log.add(kind, fact.data)
      if (kind === 'fault.injected' && !refused) log.add(kind, { ...fact.data, ...part, injectedAtMs: injectedMs + 8_000, ...injected })
      if (kind === 'fault.injected' && refused) log.add('fault.refused', { fault: '1-pause.2', kind: 'pause', node: 'n2', why: 'it is gone' })
      if (kind === 'fault.reverted' && reverted) log.add(kind, { ...fact.data, ...part, revertedAtMs: revertedMs + 100, ...reverted })
    }
    return judge(log.facts)
  }
  const well = joined({}, {})
  assert.deepEqual([well.verdict, well.exitCode], ['passed', 0])
  assert.deepEqual(well.faults.map(({ id, node, targets }) => [id, node, targets]), [['1-pause', 'n1', ['postgres']], ['1-pause.2', 'n2', ['s/p on n2']]])
  assert.match(joined({ verified: false }, {}).reasons.join(), /^1-pause\.2 on n2 was injected, but its effect was not seen$/)
  assert.deepEqual([joined({}, { verified: false }).exitCode, joined({}, null).exitCode], [4, 4])
  assert.match(joined({}, { revertedAtMs: injectedMs + 8_500, cause: 'command' }).reasons.join(), /^1-pause\.2 on n2 ended after 500 ms of its 2000 ms \(cause: command\)$/)
  assert.deepEqual([joined({}, null, true).verdict, joined({}, null, true).faults.length], ['passed', 1])
})

test('the load\'s percentiles are those of all requests together, failed ones included', () => {
  const { load } = judge(logOf({ sampleAt: () => ({ ok: { 300: 5, 20: 89 }, failed: { 5: 1, 900: 5 } }) }))
  assert.deepEqual([load?.p50Ms, load?.p95Ms], [20, 300])
})

test('an injection without a target never passes, even if such a fact got past the catalogue', () => {
  const facts = logOf().map(stored => stored.kind === 'fault.injected' ? { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, targets: [] } } } : stored)
  assert.deepEqual([judge(facts).verdict, judge(facts).reasons], ['inconclusive', ['1-pause had no target']])
})

test('no facts, and facts of an unreadable experiment, are inconclusive', () => {
  assert.equal(judge([]).exitCode, 2)
  const log = new LogBuilder().add('run.submitted', { experiment: {}, experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
  assert.match(judge(log.facts).reasons[0] ?? '', /no readable run.submitted/)
})

test('nothing after run.sealed counts', () => {
  const facts = logOf()
  const late = new LogBuilder()
  late.add('run.aborting', { cause: 'user', detail: 'too late', atMs: t0, clock })
  const [abort] = late.facts
  assert.ok(abort?.kind === 'run.aborting')
  const after = { ...abort, stream: facts.length + 1, fact: { ...abort.fact, source: '/faultline/scheduler/2', id: 'late' } }
  assert.equal(printJudgement(judge([...facts, after])), printJudgement(judge(facts)))
})

test('shuffled and doubled facts give the same bytes', () => {
  const stories: Story[] = [{}, { sampleAt: duringFault(broken, t0 + 8_300), abort: gateAbort(t0 + 8_300) }, { ...asked, answerAt: good }, { reverted: { verified: false } }]
  for (const story of stories) {
    const facts = logOf(story)
    const bytes = printJudgement(judge(facts))
    fc.assert(fc.property(fc.array(fc.nat(facts.length - 1), { maxLength: 50 }), fc.infiniteStream(fc.nat(1_000_000)), (doubled, keys) => {
      const again = doubled.flatMap(index => { // a retry that was stored twice stands later in the stream
        const found = facts[index]
        return found ? [{ ...found, stream: found.stream + facts.length }] : []
      })
      const shuffled = [...facts, ...again].map(stored => ({ stored, key: keys.next().value })).sort((a, b) => a.key - b.key).map(({ stored }) => stored)
      assert.equal(printJudgement(judge(shuffled)), bytes)
    }), { numRuns: 25 })
  }
})

test('whatever facts are left out, a run never passes that would not have passed with them', () => {
  const facts = logOf({ sampleAt: duringFault(broken) })
  fc.assert(fc.property(fc.uniqueArray(fc.nat(facts.length - 1), { minLength: 1, maxLength: 40 }), left => {
    assert.notEqual(judge(facts.filter((_, index) => !left.includes(index))).verdict, 'passed')
  }), { numRuns: 100 })
})

test('a worker that falls silent leaves its blocks without data, unless the others\' counts break the limit alone', () => {
  const twoWorkers = (second: (atMs: number) => boolean, counts = {}) => {
    const log = new LogBuilder().add('run.submitted', { experiment: document(), experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
    const facts = logOf({ sampleAt: duringFault(counts) }).slice(1)
    for (const stored of facts) {
      if (stored.kind === 'load.sample' && second(stored.fact.data.endMs)) log.add('load.sample', sample(stored.fact.data.endMs, { worker: 'w2' }))
      log.add(stored.kind, stored.fact.data)
    }
    return judge(log.facts)
  }
  assert.equal(twoWorkers(() => true).verdict, 'passed')
  const silent = (atMs: number) => atMs < injectedMs + 2_500
  assert.ok(twoWorkers(silent).gates[0]?.looks.some(({ value }) => value === null))
  assert.equal(twoWorkers(silent, { ok: {}, failed: { 20: 90 } }).verdict, 'failed')
  assert.equal(sample(t0).clock, clock)
})

test('without faults the gates of the hold decide, and nothing is to recover', () => {
  const passed = judge(logOf({ fault: 'none' }))
  assert.deepEqual([passed.verdict, passed.reasons, passed.faults, passed.recovery], ['passed', ['every gate held, with no fault in the way'], [], null])
  const broken = { ok: { 20: 1 }, failed: { 20: 9 } }
  const failed = judge(logOf({ fault: 'none', sampleAt: duringFault(broken) }))
  assert.deepEqual([failed.verdict, failed.gates[0]?.breachedAtMs], ['failed', injectedMs + 3_000])
  assert.equal(judge(logOf({ fault: 'none', sampleAt: duringFault(null) })).verdict, 'inconclusive')
  const cut = judge(logOf({ fault: 'none', abort: { cause: 'user', detail: 'stopped', atMs: injectedMs + 6_000 } }))
  assert.deepEqual([cut.verdict, cut.reasons], ['inconclusive', ['aborted (user): stopped']])
})

test('without faults, a run whose hold was not told as over never passes', () => {
  const log = new LogBuilder()
  for (const { kind, fact } of logOf({ fault: 'none' })) if (kind !== 'run.phase' || fact.data.phase !== 'end') log.add(kind, fact.data)
  const { verdict, reasons } = judge(log.facts)
  assert.deepEqual([verdict, reasons[0]], ['inconclusive', 'the run did not go through to its end'])
})
