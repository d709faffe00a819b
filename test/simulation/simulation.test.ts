import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutatedSources } from '../parts/mutation.ts'
import type { Fired } from './chaos.ts'
import { gentlePlanOf } from './gentle.ts'
import { mutations } from './mutations.ts'
import { planOf, type Plan } from './plan.ts'
import { regressions } from './regressions.ts'
import { playSeeds, printTally } from './seeds.ts'
import { shrink } from './shrink.ts'
import { simulate } from './simulation.ts'

const seeds = 1_000
const gentleSeeds = 70

const everything: Fired[] = [
  'signals-lost', 'signals-doubled', 'signals-delayed', 'signals-replayed', 'commands-lost', 'commands-delayed', 'commands-replayed', 'answers-lost', 'acks-lost', 'partition', 'follower-stalled',
  'disk-full', 'undo-refused', 'nats-down', 'samples-lost', 'prometheus-away', 'pids-recycled', 'subject-sick', 'paused', 'crash', 'paused-at-step', 'crash-at-step', 'paused-at-moment', 'crash-at-moment', 'targets-recycled', 'power-loss',
  'fsync-lies', 'clock-jump', 'reverter-killed', 'target-dies', 'pod-comes-up', 'lease-bucket-lost', 'user-aborts', 'halt', 'halt-file',
  'leader paused beyond its lease', 'agent paused beyond its lease', 'agent crashed with a fault',
]

const gentleKinds: Fired[] = ['paused', 'crash', 'paused-at-step', 'crash-at-step', 'paused-at-moment', 'crash-at-moment', 'partition', 'follower-stalled', 'clock-jump', 'leader paused beyond its lease']

test(`${seeds} seeds violate no invariant, every disturbance has really fired in some of them, and their runs have ended in every way`, async t => {
  const tally = await playSeeds({ from: 1, count: seeds })
  for (const line of printTally(tally).split('\n')) t.diagnostic(line)
  assert.deepEqual(tally.failures.map(({ seed, violations }) => ({ seed, violations })), [])
  assert.equal(tally.seeds, seeds)
  assert.deepEqual(everything.filter(what => !tally.fired.has(what)), [])
  for (const verdict of ['passed', 'failed', 'inconclusive']) assert.ok((tally.verdicts.get(verdict) ?? 0) > seeds / 20, `${verdict}: ${tally.verdicts.get(verdict)}`)
})

test(`${gentleSeeds} seeds in which only schedulers are disturbed, one at a time: of nearly all the runs must pass, and do`, async t => {
  const tally = await playSeeds({ from: 1, count: gentleSeeds, isGentle: true })
  for (const line of printTally(tally).split('\n')) t.diagnostic(line)
  assert.deepEqual(tally.failures.map(({ seed, violations }) => ({ seed, violations })), [])
  assert.ok((tally.fired.get('must pass')?.seeds ?? 0) > gentleSeeds * 0.8)
  assert.deepEqual(gentleKinds.filter(what => !tally.fired.has(what)), [])
})

test('the same plan gives the same, to the last line of its logs', async () => {
  const [once, again] = [await simulate(planOf(11), { isTold: true }), await simulate(planOf(11), { isTold: true })]
  assert.ok(once.transcript.length > 50)
  assert.deepEqual(withoutStacks(once.transcript), withoutStacks(again.transcript))
  const [gentle, gentleAgain] = [await simulate(gentlePlanOf(11), { isTold: true }), await simulate(gentlePlanOf(11), { isTold: true })]
  assert.deepEqual(withoutStacks(gentle.transcript), withoutStacks(gentleAgain.transcript))
})

test('what once was wrong has stayed right', async () => {
  for (const { why, plan } of regressions) assert.deepEqual((await simulate(plan)).violations, [], why)
})

test('a failing plan is shrunk to what is needed for its failing', async () => {
  const plan = planOf(3)
  const [needed] = planOf(5).disturbances
  assert.ok(needed)
  const disturbances = [...plan.disturbances, needed, ...planOf(8).disturbances]
  const tried: Plan[] = []
  const smallest = await shrink({ ...plan, disturbances }, 'halt holds', candidate => {
    tried.push(candidate)
    return Promise.resolve(candidate.disturbances.includes(needed) ? ['halt holds'] : ['same verdict'])
  })
  assert.deepEqual(smallest.disturbances, [needed])
  assert.equal(smallest.documents.length, 1)
  assert.ok(tried.length < disturbances.length ** 2)
})

// that each is caught takes minutes: npm run sim -- --mutations
test('each mutation still fits the source that it is put into', () => {
  for (const mutation of mutations) assert.ok(mutatedSources(mutation).size > 0)
})

/** Errors in logs bear the place of their sources, which is the same, and promise numbers of Node's, which are not. */
const withoutStacks = (transcript: readonly [number, string][]) => transcript.map(([atMs, what]) => [atMs, what.replace(/"stack":.*/, '')])
