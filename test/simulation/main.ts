/**
 * `npm run sim -- --seeds N [--from SEED]`     plays N plans, and shrinks the first that violates an invariant
 * `npm run sim -- --seed SEED`                 plays one, and prints all that happened
 * `npm run sim -- --mutations [--seeds N]`     puts known mistakes back, one at a time: each must be caught within N plans
 *
 * Ends with 0 when nothing was violated, or every mutation was caught; with 1 otherwise, and 3 for arguments that mean nothing.
 */
import { parseArgs } from 'node:util'
import { invariants } from './invariants.ts'
import { mutations } from './mutations.ts'
import { planOf, printDisturbance, type Plan } from './plan.ts'
import { playSeeds, printTally, type SeedOutcome } from './seeds.ts'
import { shrink } from './shrink.ts'
import { simulate, type Outcome } from './simulation.ts'

const transcriptLines = 60
const progressEvery = 1_000

const { values } = parseArgs({ options: { seeds: { type: 'string' }, from: { type: 'string', default: '1' }, seed: { type: 'string' }, mutations: { type: 'boolean', default: false }, only: { type: 'string' } } })
const number = (name: string, text: string): number => {
  const found = Number(text)
  if (Number.isSafeInteger(found) && found >= 1) return found
  console.error(`--${name}: expected a whole number from 1 on, found ${JSON.stringify(text)}`)
  process.exit(3)
}

if (values.mutations) process.exitCode = await tryMutations(number('seeds', values.seeds ?? '500'))
else if (values.seed !== undefined) process.exitCode = await playOne(planOf(number('seed', values.seed)))
else process.exitCode = await playMany(number('from', values.from), number('seeds', values.seeds ?? '1000'))

async function playMany(from: number, count: number): Promise<number> {
  const beganMs = performance.now()
  const tally = await playSeeds({
    from, count,
    onSeed(outcome, { seeds, failures }) {
      if (outcome.violations.length > 0) console.log(printFailure(outcome))
      if (seeds % progressEvery === 0 && seeds < count) console.error(`${seeds} of ${count} seeds, ${failures.length} with a violation, ${Math.round((performance.now() - beganMs) / 1_000)} s`)
    },
  })
  console.log(printTally(tally))
  console.log(`${Math.round((performance.now() - beganMs) / 1_000)} s`)
  const [first] = tally.failures.toSorted((a, b) => a.seed - b.seed)
  if (!first) return 0
  await showSmallest(first)
  return 1
}

async function playOne(plan: Plan): Promise<number> {
  const outcome = await simulate(plan, { isTold: true })
  console.log(printPlan(plan))
  console.log(printTranscript(outcome, Infinity))
  for (const { invariant, atMs, what } of outcome.violations) console.log(`${atMs} ms: ${invariant}: ${what}`)
  return outcome.violations.length === 0 ? 0 : 1
}

async function showSmallest({ seed, violations: [violation] }: SeedOutcome): Promise<void> {
  if (!violation) return
  console.log(`\nShrinking seed ${seed} ...`)
  const smallest = await shrink(planOf(seed), violation.invariant, async plan => (await simulate(plan)).violations.map(({ invariant }) => invariant))
  const outcome = await simulate(smallest, { isTold: true })
  console.log(printPlan(smallest))
  console.log(printTranscript(outcome, transcriptLines))
  for (const { invariant, atMs, what } of outcome.violations) console.log(`${atMs} ms: ${invariant}: ${what}\n  ${invariants[invariant]}`)
  console.log(`\nFor test/simulation/regressions.ts:\n${JSON.stringify(smallest)}`)
}

async function tryMutations(count: number): Promise<number> {
  let uncaught = 0
  console.log(`${'mutation'.padEnd(44)}${'caught by'.padEnd(28)}${'seed'.padStart(6)}`)
  for (const mutation of mutations.filter(({ name }) => name.includes(values.only ?? ''))) {
    const { failures } = await playSeeds({ from: mutation.near ?? 1, count, mutation, onSeed: ({ violations }) => violations.length > 0 })
    const [caught] = failures
    if (!caught) uncaught += 1
    console.log(`${mutation.name.padEnd(44)}${(caught?.violations[0]?.invariant ?? `NOT CAUGHT in ${count} seeds`).padEnd(28)}${String(caught?.seed ?? '').padStart(6)}`)
  }
  console.log(uncaught === 0 ? 'every mutation was caught' : `${uncaught} mutations were NOT caught`)
  return uncaught === 0 ? 0 : 1
}

function printFailure({ seed, violations }: SeedOutcome): string {
  return violations.slice(0, 3).map(({ invariant, atMs, what }) => `seed ${seed}, ${atMs} ms: ${invariant}: ${what}`).join('\n')
}

function printPlan({ seed, place, constitution, disturbances, documents }: Plan): string {
  return [`seed ${seed}, ${place}, ${documents.length} runs, hurt ${constitution.hurt} for ${constitution.healsMs} ms after a fault`, ...disturbances.map(disturbance => `  ${printDisturbance(disturbance)}`)].join('\n')
}

function printTranscript({ transcript }: Outcome, last: number): string {
  const lines = transcript.filter(([, what]) => !/^\d+ (load\.sample|slo\.tick)/.test(what))
  return lines.slice(-last).map(([atMs, what]) => `${String(atMs).padStart(7)}  ${what}`).join('\n')
}
