import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus'
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator'
import { whyClosed } from '#shared/policy-calendar.ts'
import type { Policy, Template } from '#shared/policy.ts'

/** One point of a policy's plan. `choice` and `pacing` lie in [0, 1): they choose the template, and whether it runs where a budget slows the policy. */
export interface Tick { atMs: number; choice: number; pacing: number }

/** A Poisson process begins anew at any time, so each hour has a generator of its own: what comes when depends on nobody having looked before. */
const cellMs = 3_600_000
const keptCells = 64

/**
 * The ticks of a policy at or after `fromMs` and before `toMs`, in order. Pure, and a function of the policy alone: a restart, a preview and another scheduler
 * find the same. Budgets and templates change neither the times nor the draws. Those of a rate are where their run can be over before the window closes or a
 * freeze begins; those of a cron pattern are as the pattern says.
 */
export function plannedTicks(policy: Policy, fromMs: number, toMs: number, rateTicksOf: (cell: number) => readonly Tick[] = cell => ticksOfCell(policy, cell)): Tick[] {
  if (policy.timing.by === 'cron') return cronTicks(policy.timing, policy.calendar.timeZone, fromMs, toMs)
  const found: Tick[] = []
  for (let cell = Math.floor(fromMs / cellMs); cell * cellMs < toMs; cell++) found.push(...rateTicksOf(cell))
  return found.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
}

/** The same, for who asks again and again: what was reckoned lately is kept. */
export function planner(policy: Policy): (fromMs: number, toMs: number) => Tick[] {
  const cells = new Map<number, readonly Tick[]>()
  return (fromMs, toMs) => plannedTicks(policy, fromMs, toMs, cell => {
    const known = cells.get(cell) ?? ticksOfCell(policy, cell)
    cells.delete(cell)
    cells.set(cell, known)
    for (const oldest of cells.keys()) {
      if (cells.size <= keptCells) break
      cells.delete(oldest)
    }
    return known
  })
}

function ticksOfCell({ timing, calendar, templates }: Policy, cell: number): Tick[] {
  if (timing.by !== 'rate' || timing.perMs <= 0) return []
  const random = generatorOf(timing.seed, cell)
  const longestMs = Math.max(...templates.map(({ lengthMs }) => lengthMs))
  const found: Tick[] = []
  let last = -1
  for (let offsetMs = 0; ;) {
    offsetMs += -Math.log1p(-uniformFloat64(random)) / timing.perMs
    if (offsetMs >= cellMs) return found
    const [choice, pacing] = [uniformFloat64(random), uniformFloat64(random)]
    const whole = Math.max(last + 1, Math.floor(offsetMs)) // two in one millisecond would be one to whoever names them by it
    last = whole
    const atMs = cell * cellMs + whole
    if (whole < cellMs && !whyClosed(calendar, atMs, longestMs)) found.push({ atMs, choice, pacing })
  }
}

function cronTicks({ pattern, seed }: { pattern: string; seed: string }, timezone: string, fromMs: number, toMs: number): Tick[] {
  const cron = new Cron(pattern, { mode: '5-part', timezone, paused: true })
  const found: Tick[] = []
  for (let next = cron.nextRun(new Date(fromMs - 1)); next && next.getTime() < toMs; next = cron.nextRun(next)) {
    const random = generatorOf(seed, next.getTime())
    found.push({ atMs: next.getTime(), choice: uniformFloat64(random), pacing: uniformFloat64(random) })
  }
  return found
}

function generatorOf(seed: string, count: number): RandomGenerator {
  const digest = createHash('sha256').update(`${seed}/${count}`).digest()
  return xoroshiro128plusFromState([0, 4, 8, 12].map(at => digest.readInt32LE(at)))
}

/** By weight; `preference` multiplies it (1 when left out). Pure: the same draw and the same weights choose the same. */
export function chooseTemplate(templates: readonly Template[], choice: number, preference: (template: Template) => number = () => 1): Template {
  const weights = templates.map(template => template.weight * Math.max(0, preference(template)))
  let rest = choice * weights.reduce((sum, weight) => sum + weight, 0)
  const at = weights.findIndex(weight => (rest -= weight) < 0)
  const chosen = templates[at === -1 ? templates.length - 1 : at]
  if (!chosen) throw new Error('a policy has a template')
  return chosen
}
