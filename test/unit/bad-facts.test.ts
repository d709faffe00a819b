import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { commands, signals } from '#shared/commands.ts'
import { facts, misplaced, parseFact, type FactType, type StoredFact } from '#shared/events.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { greatestOf, leastOf } from '#shared/extremes.ts'
import { fold as foldGates, emptyGates } from '#shared/gate-core.ts'
import { judge, printJudgement } from '#shared/verdict.ts'
import { isUnicode, toUnicode } from '#shared/unicode.ts'
import { missingLines } from '#shared/verdict-log.ts'
import { emptyLive, fold as foldLive } from '../../services/cli/live/fold.ts'
import { render } from '../../services/cli/live/render.ts'
import { printEventLog, readEventLog } from '../../services/cli/report/event-log.ts'
import * as agent from '../../services/injector/core.ts'
import { begin, broadcasting, decide, fold, renewing, type RunState } from '../../services/scheduler/core.ts'
import * as evaluator from '../../services/slo-evaluator/core.ts'
import { acceptedBy, hostileJson, nested, spoilt } from '../parts/hostile-values.ts'
import { document, injectedMs, LogBuilder, logOf, promGate, sample, t0 } from '../parts/verdict-log-builder.ts'

const numRuns = 300
const types = Object.keys(facts) as FactType[]
const gates = [{ name: 'errors', errorRate: { max: '10%' } }, promGate, { name: 'back', phase: 'recovery', errorRate: { max: '10%' } }]

/** About the one run and its faults and gates, mostly; dates near it, or at the ends of what a date may be. */
const known: Record<string, fc.Arbitrary<unknown>> = {
  fault: fc.constantFrom('1-pause', '1-pause.2', '1-pause.', '2-kill', '__proto__', ''), gate: fc.constantFrom('errors', 'asked', 'back', '__proto__'), node: fc.constantFrom('n1', 'n2', 'constructor'),
  worker: fc.constantFrom('w1', 'w2'), probe: fc.constantFrom('p', '__proto__'), experiment: fc.oneof(fc.constant(document({ gates })), hostileJson),
  ...Object.fromEntries(['atMs', 'startMs', 'endMs', 'injectedAtMs', 'revertedAtMs', 'requestedAtMs', 'lookEndMs', 'evaluatedAtMs', 'answeredAtMs', 'askedAtMs'].map(name => [name, fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -20, max: 400 }).map(tenths => t0 + tenths * 100) }, { weight: 1, arbitrary: fc.constantFrom(0, 1, 8_640_000_000_000_000) },
  )])),
}
const data = new Map(types.map(type => [type, acceptedBy(facts[type].data, known)]))

interface Envelope { type: FactType; source: string; sequence: number; data: unknown }
const envelopeOf = ({ type, source, sequence, data: carried }: Envelope) => ({
  specversion: '1.0', id: `${source}/${sequence}`, source, type: `dev.faultline.${type}`, subject: 'r1', time: '2026-01-01T00:00:00.000Z',
  datacontenttype: 'application/json', sequence, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, data: carried,
})
const envelope = fc.constantFrom(...types).chain(type => fc.record({
  type: fc.constant(type), source: fc.constantFrom('/faultline/scheduler/1', '/faultline/injector/1', '/faultline/x/\u0000'), sequence: fc.integer({ min: 1, max: 40 }), data: data.get(type) ?? fc.constant({}),
}))
/** Facts that the catalogue accepts, in any order, some of them twice, and that no service would write. */
const foreignFacts = fc.array(envelope, { maxLength: 25 }).map(all => all.map((one, index) => parseFact(envelopeOf({ ...one, data: toUnicode(one.data) }), index + 1_000)))
const mixed = fc.tuple(fc.constantFrom(logOf({ gates }), logOf({ gates, fault: 'kill' }), logOf({ gates, fault: 'none' }).slice(0, 40)), foreignFacts, fc.nat(400))
  .map(([log, foreign, at]) => [...log.slice(0, at), ...foreign, ...log.slice(at)].map((stored, index) => ({ ...stored, stream: index + 1 })))

test('whatever JSON comes is a fact as the catalogue says, or refused with a reason; nothing is polluted', () => {
  const base = envelopeOf({ type: 'fault.injected', source: '/faultline/injector/1', sequence: 1, data: logOf().find(({ kind }) => kind === 'fault.injected')?.fact.data })
  fc.assert(fc.property(fc.oneof(hostileJson, spoilt(base), envelope.map(envelopeOf)), value => {
    const text = JSON.stringify(value) ?? 'null'
    try {
      const { kind, fact } = parseFact(JSON.parse(text), 1)
      assert.ok(facts[kind].data.safeParse(fact.data).success)
    } catch (error) {
      assert.ok(error instanceof Error && error.message !== '' && !(error instanceof RangeError || error instanceof TypeError), String(error))
    }
    assert.deepEqual(Object.keys(Object.prototype), [])
    assert.equal(Reflect.get({}, 'polluted'), undefined)
  }), { numRuns: 1_000 })
})

test('JSON nested a hundred thousand deep is refused as any other, wherever in a fact it stands', () => {
  for (const at of ['data', 'subject', 'source']) assert.throws(() => parseFact({ ...envelopeOf({ type: 'slo.tick', source: '/faultline/x/1', sequence: 1, data: {} }), [at]: JSON.parse(nested(100_000)) as unknown }, 1), (error: unknown) => !(error instanceof RangeError))
})

test('each command and signal takes no JSON but its own', () => {
  const schemas = [...Object.values(commands).flatMap(({ data: asked, reply }) => [asked, reply]), ...Object.values(signals).map(({ data: said }) => said)]
  for (const schema of schemas) {
    fc.assert(fc.property(hostileJson, value => {
      const { success } = schema.safeParse(JSON.parse(JSON.stringify(value)))
      assert.ok(!success || (typeof value === 'object' && Object.keys(value ?? {}).length === 0), JSON.stringify(value)) // `discover` asks with nothing
    }), { numRuns: 100 })
    fc.assert(fc.property(acceptedBy(schema).chain(spoilt), value => { schema.safeParse(value) }), { numRuns: 100 })
  }
})

test('the scheduler\'s fold takes any facts in any order without an error, and its core never injects after an end, nor a fault that is not the experiment\'s', () => {
  const experiment = experimentSchema.parse(document({ gates }))
  const log = logOf({ gates })
  for (const [index, sealed] of log.filter(({ kind }) => kind === 'run.sealed').flatMap(last => log.map((_, count) => [...log.slice(0, count), last])).entries()) { // before a fault was there: random orders seldom have that
    const state = sealed.reduce(fold, begin('r1', experiment, t0))
    for (const nowMs of [t0, injectedMs, t0 + 30_000]) assert.deepEqual(decide(state, nowMs), [], `sealed after ${index} facts`)
  }
  fc.assert(fc.property(mixed, fc.array(fc.constantFrom(0, t0, injectedMs, t0 + 30_000, 8_640_000_000_000_000), { minLength: 1, maxLength: 3 }), (log, nows) => {
    let state: RunState = begin('r1', experiment, t0)
    for (const stored of log) {
      state = fold(state, stored)
      for (const nowMs of nows) {
        const effects = decide(state, nowMs)
        broadcasting(state, nowMs)
        const injecting = effects.filter(({ effect }) => effect === 'inject' || effect === 'join')
        if (injecting.length > 0) assert.ok(!state.abort && state.sealedAtMs === undefined && state.phases.revert === undefined && renewing(state))
        for (const effect of effects) if (effect.effect === 'inject') assert.ok(experiment.faults.some(({ id }) => id === effect.fault.id))
      }
    }
  }), { numRuns })
})

test('the evaluator\'s core and the live view take any facts in any order without an error, and end', () => {
  fc.assert(fc.property(mixed, fc.constantFrom(0, injectedMs, t0 + 40_000, Date.UTC(2026, 0)), (log, nowMs) => {
    let state = evaluator.begin('r1')
    let live = emptyLive('r1')
    for (const stored of log) {
      state = evaluator.step(state, { is: 'fact', stored }, nowMs).state
      live = foldLive(live, stored)
    }
    const { effects } = evaluator.step(state, { is: 'caught-up' }, nowMs)
    for (const effect of effects) if ('data' in effect && effect.effect === 'status') assert.ok(facts['gate.status'].data.safeParse(effect.data).success, JSON.stringify(effect.data))
    render(live, { nowMs, columns: 80, rows: 24, colour: false })
  }), { numRuns })
})

test('any log is judged without an error, in canonical JSON, the same after its way through events.jsonl', async () => {
  await fc.assert(fc.asyncProperty(mixed, async log => {
    const printed = printJudgement(judge(log))
    const read = await readEventLog([printEventLog(log)])
    assert.deepEqual(read.problems, [])
    assert.equal(printJudgement(judge(read.facts)), printed)
  }), { numRuns })
})

test('no foreign facts make a run pass that a gate has aborted, that was not sealed, or whose revert was not confirmed', () => {
  const story = { gates, answerAt: () => ({ is: 'value' as const, value: 0.5 }) }
  assert.equal(judge(logOf(story)).verdict, 'passed', 'nothing else is in the way')
  const aborted = logOf({ ...story, abort: { cause: 'gate', detail: 'broken', gate: 'errors', atMs: injectedMs + 1_000 } })
  const lapsed = logOf({ ...story, also: log => log.add('fault.lapsed', { fault: '1-pause', kind: 'pause', node: 'n1', atMs: injectedMs }) })
  fc.assert(fc.property(fc.constantFrom(aborted, lapsed), foreignFacts, (log, foreign) => {
    assert.notEqual(judge([...log, ...foreign]).verdict, 'passed')
  }), { numRuns })
  const never = (types: FactType[]) => (stored: StoredFact) => !types.includes(stored.kind)
  for (const [log, without] of [[logOf({ ...story, seal: false }), ['run.sealed']], [logOf({ ...story, reverted: null }), ['fault.reverted']], [logOf({ ...story, injected: null }), ['fault.injected']]] as const) {
    fc.assert(fc.property(foreignFacts, foreign => { assert.notEqual(judge([...log, ...foreign.filter(never([...without]))]).verdict, 'passed') }), { numRuns: 100 })
  }
})

test('a clock that leaps by a year or three hundred neither hangs the gates nor makes a run pass', { timeout: 20_000 }, () => {
  const night = logOf({ load: false, gates: [promGate], also: log => log.add('slo.tick', { atMs: t0 + 12 * 3_600_000 }) }).filter(({ kind }) => kind !== 'run.phase' && kind !== 'run.sealed') // no end of the phase
  const [watch] = night.reduce(foldGates, emptyGates('r1')).watches
  assert.ok(watch && watch.looks.length > 5 && watch.looks.length < 11_000, `${watch?.looks.length} looks of half a day`)
  const leaps = [t0 + 365 * 86_400_000, 8_640_000_000_000_000]
  for (const atMs of leaps) {
    const stories: Parameters<typeof logOf>[0][] = [
      { also: log => log.add('slo.tick', { atMs }) },
      { gates: [promGate], answerAt: () => ({ is: 'value', value: 0.5 }), load: false, also: log => log.add('slo.tick', { atMs }) },
    ]
    for (const story of stories) assert.equal(judge(logOf(story)).verdict, 'inconclusive')
    judge(logOf({ gates: [{ name: 'errors', errorRate: { max: '10%' }, window: '200ms' }], sampleAt: () => ({ failed: { 5: 9 } }), also: log => log.add('load.sample', sample(atMs)) }))
  }
})

test('the evaluator of a run that began by a clock of 1970 asks for the looks that are due, not for all since', { timeout: 5_000 }, () => {
  const log = new LogBuilder().add('run.submitted', { experiment: document({ gates: [promGate], load: false }), experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
    .add('fault.injected', { fault: '1-pause', kind: 'pause', node: 'n1', targets: [{ id: 'process:1:2', pid: 1, startTicks: 2, description: 'p' }], verified: true, readBack: [], requestedAtMs: 5, injectedAtMs: 5, clock: 'c' })
  const state = log.facts.reduce((before, stored) => evaluator.step(before, { is: 'fact', stored }, 10).state, evaluator.begin('r1'))
  const { effects } = evaluator.step(state, { is: 'caught-up' }, Date.UTC(2026, 0))
  const asked = effects.flatMap(effect => effect.effect === 'ask' ? [effect.evaluatedAtMs] : [])
  assert.deepEqual(asked, [Date.UTC(2026, 0) - 1_995, Date.UTC(2026, 0) - 995])
})

test('the clock of one worker that is wrong takes no sample of another from the gates', () => {
  /** Of the requests of one block, all of the first 400 ms fail; then a sample of tomorrow comes in. */
  const story = (ahead: boolean) => logOf({
    gates: [{ name: 'errors', errorRate: { max: '30%' }, consecutive: 1 }],
    sampleAt: atMs => atMs > injectedMs + 2_000 && atMs <= injectedMs + 2_400 ? { ok: {}, failed: { 20: 10 } } : {},
  }).flatMap(stored => ahead && stored.kind === 'load.sample' && stored.fact.data.endMs === injectedMs + 2_600 ? [parseFact(envelopeOf({ type: 'load.sample', source: '/faultline/locust-bridge/2', sequence: 1, data: sample(t0 + 86_400_000, { worker: 'w9' }) }), 1), stored] : [stored])
    .map((stored, index) => ({ ...stored, stream: index + 1 }))
  assert.deepEqual([judge(story(false)).verdict, judge(story(true)).verdict], ['failed', 'failed'])
})

test('a run of a day, with half a million facts of one source, is judged', () => {
  const numbered = Array.from({ length: 500_000 }, (_, index) => ({ kind: 'slo.tick', stream: index, fact: { source: 's', sequence: index + 1 } })) as unknown as StoredFact[]
  assert.equal(missingLines(numbered), undefined)
  assert.match(missingLines(numbered.slice(0, -2).concat(numbered.slice(-1))) ?? '', /missing are 1 of s/)
  const numbers = Array.from({ length: 500_000 }, (_, index) => index - 3)
  assert.deepEqual([leastOf(numbers), greatestOf(numbers), leastOf([]), greatestOf([])], [-3, 499_996, Infinity, -Infinity])
})

test('a response time with more digits than a number can hold is no sample, and no date is past the last that there is', () => {
  assert.throws(() => new LogBuilder().add('load.sample', sample(t0, { ok: { ['9'.repeat(400)]: 5 } })))
  assert.throws(() => new LogBuilder().add('slo.tick', { atMs: 8_640_000_000_000_001 }))
  assert.equal(foldGates(emptyGates('r1'), new LogBuilder().add('slo.tick', { atMs: 8_640_000_000_000_000 }).facts[0] as StoredFact).buffer.tickMs, 8_640_000_000_000_000)
})

test('a text with half of a surrogate pair is no fact, and what a service writes is made Unicode before', () => {
  const refused = { fault: '1-pause', kind: 'pause', node: 'n1', why: 'cut in an emoji: \ud83d' }
  assert.throws(() => new LogBuilder().add('fault.refused', refused), /half of a surrogate pair/)
  assert.deepEqual(toUnicode(refused), { ...refused, why: 'cut in an emoji: \ufffd' })
  fc.assert(fc.property(hostileJson, value => {
    const plain: unknown = JSON.parse(JSON.stringify(value))
    assert.ok(isUnicode(toUnicode(plain)))
    if (isUnicode(plain)) assert.equal(toUnicode(plain), plain)
  }), { numRuns: 1_000 })
  assert.ok(isUnicode(JSON.parse(nested(100_000))))
})

test('a fact that came on the subject of another, or speaks of another run, is none', () => {
  const [stored] = new LogBuilder().add('slo.tick', { atMs: t0 }).facts
  assert.ok(stored)
  assert.equal(misplaced('faultline.fact.r1.slo.tick', stored), undefined)
  for (const subject of ['faultline.fact.r1.run.sealed', 'faultline.fact.r2.slo.tick', 'faultline.fact.r1', '', 'faultline.fact.r1.slo.tick.x']) assert.match(misplaced(subject, stored) ?? '', /says that it is a slo\.tick of run "r1"/, subject)
  for (const run of ['r1.x', '*', '>', 'r 1', '..']) assert.ok(misplaced(`faultline.fact.${run}.slo.tick`, { ...stored, fact: { ...stored.fact, subject: run } } as StoredFact), run)
})

test('an agent refuses what an older leader commands, and its heartbeats renew nothing', () => {
  const epoch = (revision: number) => ({ bucketCreatedMs: 1, revision })
  const inject = (run: string, revision: number) => ({ is: 'inject' as const, run, fault: '1-pause', targets: [run], epoch: epoch(revision), deadlineMs: 1_000, leaseMs: 500, durationMs: 10_000 })
  const held = agent.step(agent.initialState, inject('r1', 5), 0).state
  const late = agent.step(held, inject('r2', 4), 1)
  assert.deepEqual(late.effects.map(({ effect }) => effect), ['turn-away'], 'no fact tells of it: another may have ordered it')
  assert.equal(late.state.faults.size, 1)
  const renewed = (revision: number) => agent.step(held, { is: 'heartbeat', run: 'r1', epoch: epoch(revision), leaseMs: 500 }, 1).effects.map(({ effect }) => effect)
  assert.deepEqual([renewed(4), renewed(5)], [[], ['renew']])
})
