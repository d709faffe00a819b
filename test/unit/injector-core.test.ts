import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { initialState, step, type Effect, type Input, type RevertCause, type State } from '../../services/injector/core.ts'

const folder = new URL('../transcripts/', import.meta.url)

for (const name of readdirSync(folder).filter(file => file.endsWith('.txt'))) {
  test(`the agent behaves as in ${name}`, () => {
    const file = new URL(name, folder)
    const written = readFileSync(file, 'utf8')
    const played = play(written)
    if (process.env['REWRITE']) writeFileSync(file, played) // then read the diff
    assert.equal(played, written)
  })
}

/** Keeps comments and inputs, and writes under each input what the core answers to it. */
function play(transcript: string): string {
  let state: State = initialState
  return transcript.split('\n').filter(line => !line.startsWith('  ')).flatMap(line => {
    const [, now, words] = /^at (\d+)\s+(.*)/.exec(line) ?? []
    if (words === undefined) return [line]
    const next = step(state, parse(words), Number(now))
    state = next.state
    return [line, ...next.effects.map(print)]
  }).join('\n')
}

function parse(words: string): Input {
  const [is = '', name = '', ...rest] = words.split(' ')
  const [run = '', fault = ''] = name.split('/')
  const word = (key: string) => rest.includes(key) ? rest[rest.indexOf(key) + 1] : undefined
  const number = (key: string) => Number(word(key))
  const epoch = () => {
    const [bucketCreatedMs = 0, revision = 0] = (word('epoch') ?? '').split('.').map(Number)
    return { bucketCreatedMs, revision }
  }
  const targets = (word('targets') ?? 'p1').split(',')
  const why = rest.join(' ')
  switch (is) {
    case 'inject': return { is, run, fault, targets, alone: word('alone') === 'no' ? undefined : 'processes', widens: rest.includes('widens') || undefined, epoch: epoch(), deadlineMs: number('deadline'), leaseMs: number('lease'), durationMs: word('duration') === undefined ? undefined : number('duration') }
    case 'heartbeat': return { is, run, epoch: epoch(), leaseMs: number('lease') }
    case 'restore': return { is, run, fault, targets, alone: 'processes', cause: word('cause') as RevertCause }
    case 'acted': case 'undone': return { is, run, fault, observation: { verified: rest[0] === 'verified', readBack: [], atMs: 0 } }
    case 'failed': return { is, run, fault, why }
    case 'revert': case 'prepared': case 'lapsed': return { is, run, fault }
    case 'abort': return { is, run }
    case 'halt': return { is, why: [name, ...rest].join(' ') }
    case 'drain': case 'resume': case 'tick': return { is }
    default: throw new Error(`no such input: ${words}`)
  }
}

function print(effect: Effect): string {
  if (effect.effect === 'remember') return '  remember'
  if (effect.effect === 'acknowledge') return `  acknowledge ${effect.run} holding ${effect.holding}`
  const name = `${effect.run}/${effect.fault}`
  switch (effect.effect) {
    case 'prepare': case 'renew': return `  ${effect.effect} ${name} lease until ${effect.leaseEndsMs}, over at ${effect.endsMs ?? 'once'}`
    case 'act': case 'release': return `  ${effect.effect} ${name}`
    case 'undo': return `  undo ${name} (${effect.cause})`
    case 'refuse': case 'turn-away': return `  ${effect.effect} ${name}: ${effect.why}`
    case 'announce': {
      const verified = 'observation' in effect ? effect.observation.verified ? ' verified' : ' not verified' : ''
      return `  announce ${effect.fact} ${name}${effect.fact === 'reverted' ? ` (${effect.cause})` : ''}${verified}`
    }
  }
}

const run = fc.constantFrom('r1', 'r2')
const named = { run, fault: fc.constantFrom('f1', 'f2') }
const epoch = fc.record({ bucketCreatedMs: fc.constantFrom(1, 2), revision: fc.nat(3) })
const observation = fc.record({ verified: fc.boolean(), readBack: fc.constant([]), atMs: fc.constant(0) })
const input: fc.Arbitrary<Input> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ is: fc.constant('inject' as const), ...named, targets: fc.subarray(['p1', 'p2', 'p3'], { minLength: 1 }), alone: fc.constantFrom('processes', undefined), epoch, deadlineMs: fc.nat(5_000), leaseMs: fc.integer({ min: 1, max: 500 }), durationMs: fc.option(fc.integer({ min: 1, max: 1_000 }), { nil: undefined }) }) },
  { weight: 4, arbitrary: fc.record({ is: fc.constantFrom('prepared' as const, 'lapsed' as const, 'revert' as const), ...named }) },
  { weight: 5, arbitrary: fc.record({ is: fc.constantFrom('acted' as const, 'undone' as const), ...named, observation }) },
  fc.record({ is: fc.constant('failed' as const), ...named, why: fc.constant('it failed') }),
  { weight: 3, arbitrary: fc.record({ is: fc.constant('heartbeat' as const), run, epoch, leaseMs: fc.integer({ min: 1, max: 500 }) }) },
  fc.record({ is: fc.constant('abort' as const), run }),
  fc.record({ is: fc.constantFrom('tick' as const, 'drain' as const, 'resume' as const) }),
  fc.record({ is: fc.constant('halt' as const), why: fc.constant('halted') }),
)
/** One that comes to be there, unless somebody has been heard of who leads by now: by chance alone hardly any does. */
const begun: fc.Arbitrary<Input[]> = fc.record({ ...named, epoch, observation, leaseMs: fc.integer({ min: 1, max: 500 }), durationMs: fc.integer({ min: 1, max: 1_000 }) })
  .map(({ observation, epoch, leaseMs, durationMs, ...name }) => [
    { is: 'inject', ...name, targets: [name.fault], alone: undefined, epoch, deadlineMs: Infinity, leaseMs, durationMs }, { is: 'prepared', ...name }, { is: 'acted', ...name, observation },
  ])
const history: fc.Arbitrary<[number, Input][]> = fc.array(fc.tuple(fc.nat(300), fc.oneof({ weight: 9, arbitrary: input.map(one => [one]) }, { weight: 1, arbitrary: begun })), { maxLength: 60 })
  .map(steps => steps.flatMap(([laterMs, inputs]) => inputs.map((one, index): [number, Input] => [index === 0 ? laterMs : 0, one])))

function playAll(steps: [number, Input][]): { state: State; nowMs: number; effects: Effect[] } {
  let [state, nowMs] = [initialState, 0]
  const effects: Effect[] = []
  for (const [laterMs, next] of steps) {
    nowMs += laterMs
    const answer = step(state, next, nowMs)
    state = answer.state
    effects.push(...answer.effects)
  }
  return { state, nowMs, effects }
}

test('whatever came in whatever order, a fault that nobody renews is being undone one lease later', () => {
  fc.assert(fc.property(history, steps => {
    const { state, nowMs } = playAll(steps)
    const after = step(state, { is: 'tick' }, nowMs + 1_001)
    const alive = [...after.state.faults.values()].filter(({ at }) => at !== 'reverting' && at !== 'quarantined')
    assert.deepEqual(alive, [])
  }))
})

test('whatever came before, with a halt everything is being undone at once, and nothing is begun until it is taken away', () => {
  fc.assert(fc.property(history, history, (before, after) => {
    const { state, nowMs } = playAll(before)
    let halted = step(state, { is: 'halt', why: 'halted' }, nowMs).state
    for (const [laterMs, next] of after.filter(([, { is }]) => is !== 'resume')) {
      assert.deepEqual([...halted.faults.values()].filter(({ at }) => at !== 'reverting' && at !== 'quarantined'), [])
      const answer = step(halted, next, nowMs + laterMs)
      assert.deepEqual(answer.effects.filter(({ effect }) => effect === 'prepare' || effect === 'act'), [])
      halted = answer.state
    }
  }))
})

test('heartbeats for ever do not keep a fault beyond its duration', () => {
  fc.assert(fc.property(history, steps => {
    const beating = playAll(steps)
    let { state } = beating
    for (let sinceMs = 0; sinceMs <= 1_100; sinceMs += 100) {
      for (const name of ['r1', 'r2']) state = step(state, { is: 'heartbeat', run: name, epoch: { bucketCreatedMs: 9, revision: 9 }, leaseMs: 10_000 }, beating.nowMs + sinceMs).state
      state = step(state, { is: 'tick' }, beating.nowMs + sinceMs).state
    }
    assert.deepEqual([...state.faults.values()].filter(({ at }) => at === 'active'), [])
  }))
})

test('no act without its undo on disk first, no second act, and no revert announced before the undo', () => {
  fc.assert(fc.property(history, steps => {
    const seen = new Map<string, string[]>()
    for (const effect of playAll(steps).effects) {
      if (!('fault' in effect)) continue
      const key = `${effect.run}/${effect.fault}`
      const before = seen.get(key) ?? []
      if (effect.effect === 'act') assert.deepEqual(before.filter(name => name === 'prepare' || name === 'act'), ['prepare'])
      if (effect.effect === 'announce' && effect.fact === 'reverted') assert.ok(effect.cause === 'instant' || before.includes('undo'))
      seen.set(key, [...before, effect.effect])
    }
  }))
})

test('no target is held by two faults that want it alone', () => {
  fc.assert(fc.property(history, steps => {
    const held = [...playAll(steps).state.faults.values()].flatMap(fault => fault.alone === undefined ? [] : [...fault.targets])
    assert.equal(new Set(held).size, held.length)
  }))
})
