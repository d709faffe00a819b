import { parseArgs } from 'node:util'
import { messageOf } from '#shared/errors.ts'
import { gentlePlanOf } from './gentle.ts'
import { invariants } from './invariants.ts'
import { mutations } from './mutations.ts'
import { planOf, printDisturbance, type Plan } from './plan.ts'
import { playSeeds, printTally, type SeedOutcome } from './seeds.ts'
import { shrink } from './shrink.ts'
import { simulate, type Outcome } from './simulation.ts'

const transcriptLines = 60
const progressEvery = 1_000

const help = `npm run sim -- [--gentle] [--seeds N] [--from SEED] | [--gentle] --seed SEED | --mutations [--seeds N] [--only NAME]

Plays the services' own cores on a simulated bus, clock, disk and kernel. A seed decides what is asked of them and what goes wrong; what must never be is checked after
every step. The first seed that violates it is shrunk to what is needed for that, and printed.

  --seeds N     so many seeds (1000); with --mutations at most so many for each (500)
  --from SEED   the first of them (1)
  --gentle      other seeds, in which only schedulers are disturbed, and one is always there: every run must pass
  --seed SEED   plays this one alone, and prints all that happened
  --mutations   puts known mistakes back into the sources, one at a time: each must be caught
  --only NAME   of these mistakes those whose name has this in it

Ends with 0 when nothing was violated, or every mutation was caught; with 1 otherwise, and 3 for arguments that mean nothing.
`

class ArgumentsInvalid extends Error {}

type Arguments = { does: 'help' } | { does: 'one'; isGentle: boolean; seed: number } | { does: 'many'; isGentle: boolean; from: number; seeds: number } | { does: 'mutations'; seeds: number; only: string }

function readArguments(args: string[]): Arguments {
  const { values } = parseArgs({ args, options: {
    help: { type: 'boolean', short: 'h', default: false }, seeds: { type: 'string' }, from: { type: 'string' }, seed: { type: 'string' }, mutations: { type: 'boolean', default: false }, gentle: { type: 'boolean', default: false }, only: { type: 'string' },
  } })
  const number = (name: string, text: string): number => {
    const found = Number(text)
    if (Number.isSafeInteger(found) && found >= 1) return found
    throw new ArgumentsInvalid(`--${name}: expected a whole number from 1 on, found ${JSON.stringify(text)}`)
  }
  if (values.help) return { does: 'help' }
  if (values.only !== undefined && !values.mutations) throw new ArgumentsInvalid('--only: chooses among --mutations')
  const { gentle: isGentle } = values
  if (isGentle && values.mutations) throw new ArgumentsInvalid('--gentle: each of the --mutations knows which seeds it is for')
  if (values.seed !== undefined) return { does: 'one', isGentle, seed: number('seed', values.seed) }
  if (!values.mutations) return { does: 'many', isGentle, from: number('from', values.from ?? '1'), seeds: number('seeds', values.seeds ?? '1000') }
  const { only = '' } = values
  if (!mutations.some(({ name }) => name.includes(only))) throw new ArgumentsInvalid(`--only ${only}: no mutation has such a name; there are ${mutations.map(({ name }) => name).join(', ')}`)
  return { does: 'mutations', seeds: number('seeds', values.seeds ?? '500'), only }
}

const planFor = (isGentle: boolean) => isGentle ? gentlePlanOf : planOf

async function main(): Promise<number> {
  let asked: Arguments
  try {
    asked = readArguments(process.argv.slice(2))
  } catch (error) {
    console.error(`sim: ${messageOf(error)} (--help shows what there is)`)
    return 3
  }
  switch (asked.does) {
    case 'help': process.stdout.write(help); return 0
    case 'one': return playOne(planFor(asked.isGentle)(asked.seed))
    case 'many': return playMany(asked)
    case 'mutations': return tryMutations(asked.seeds, asked.only)
  }
}

process.exitCode = await main()

async function playMany({ from, seeds: count, isGentle }: Arguments & { does: 'many' }): Promise<number> {
  const beganMs = performance.now()
  const tally = await playSeeds({
    from, count, isGentle,
    onSeed(outcome, { seeds, failures }) {
      if (outcome.violations.length > 0) console.log(printFailure(outcome))
      if (seeds % progressEvery === 0 && seeds < count) console.error(`${seeds} of ${count} seeds, ${failures.length} with a violation, ${Math.round((performance.now() - beganMs) / 1_000)} s`)
    },
  })
  console.log(printTally(tally))
  console.log(`${Math.round((performance.now() - beganMs) / 1_000)} s`)
  const [first] = tally.failures.toSorted((a, b) => a.seed - b.seed)
  if (!first) return 0
  await showSmallest(first, planFor(isGentle))
  return 1
}

async function playOne(plan: Plan): Promise<number> {
  const outcome = await simulate(plan, { isTold: true })
  console.log(printPlan(plan))
  console.log(printTranscript(outcome, Infinity))
  for (const { invariant, atMs, what } of outcome.violations) console.log(`${atMs} ms: ${invariant}: ${what}`)
  return outcome.violations.length === 0 ? 0 : 1
}

async function showSmallest({ seed, violations: [violation] }: SeedOutcome, planOfSeed: (seed: number) => Plan): Promise<void> {
  if (!violation) return
  console.log(`\nShrinking seed ${seed} ...`)
  const smallest = await shrink(planOfSeed(seed), violation.invariant, async plan => (await simulate(plan)).violations.map(({ invariant }) => invariant))
  const outcome = await simulate(smallest, { isTold: true })
  console.log(printPlan(smallest))
  console.log(printTranscript(outcome, transcriptLines))
  for (const { invariant, atMs, what } of outcome.violations) console.log(`${atMs} ms: ${invariant}: ${what}\n  ${invariants[invariant]}`)
  console.log(`\nFor test/simulation/regressions.ts:\n${JSON.stringify(smallest)}`)
}

async function tryMutations(count: number, only: string): Promise<number> {
  let uncaught = 0
  console.log(`${'mutation'.padEnd(44)}${'caught by'.padEnd(28)}${'seed'.padStart(6)}`)
  for (const mutation of mutations.filter(({ name }) => name.includes(only))) {
    const { failures } = await playSeeds({ from: mutation.near ?? 1, count, isGentle: mutation.isGentle, mutation, onSeed: ({ violations }) => violations.length > 0 })
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
