import type { Remaining } from '#shared/policy-budget.ts'
import { answerFreshMs, decide, fold, newPolicy, type PolicyState, type SkipReason, type Verdict } from '#shared/policy-core.ts'
import { plannedTicks, type Tick } from '#shared/policy-plan.ts'
import type { Policy, Template } from '#shared/policy.ts'

/** What is supposed of the world. */
export interface Supposed {
  /** How long a run of this template takes. */
  lengthMs(template: Template, atMs: number): number
  verdict(run: string): Verdict
  /** What is left of an SLO's budget; `spentRatio`: what the policy's own runs have cost up to then, as `cost` says. */
  remaining(slo: string, atMs: number): Remaining
  /** Told as a run begins and ends, so that `remaining` can follow. */
  onRun?(run: SimulatedRun): void
  preference?: (template: Template) => number
}

export interface SimulatedRun { run: string; template: Template; plannedMs: number; beginMs: number; endMs: number; verdict: Verdict }
export interface Skipped { plannedMs: number; decidedMs: number; template: Template; reason: SkipReason; why: string }
export interface Simulation { runs: SimulatedRun[]; skipped: Skipped[]; state: PolicyState }

/**
 * What a policy would do in a span of time, by the same core that does it. Pure. It goes from one event to the next (a tick, the end of a run, the end of a
 * cooldown), so that months take no longer than their runs. A policy that pauses is not resumed.
 */
export function simulate(policy: Policy, fromMs: number, toMs: number, supposed: Supposed): Simulation {
  const ticks = plannedTicks(policy, fromMs, toMs)
  let state = newPolicy(policy, { policy: null, by: 'the simulation', atMs: fromMs - 1 })
  const runs = new Map<string, SimulatedRun>()
  const skipped: Skipped[] = []
  let next = 0
  for (let nowMs: number | undefined = ticks[0]?.atMs; nowMs !== undefined; nowMs = nextLookMs(nowMs)) lookAt(nowMs)
  return { runs: [...runs.values()], skipped, state }

  function lookAt(nowMs: number): void {
    for (let isSettled = false; !isSettled;) {
      while ((ticks[next]?.atMs ?? Infinity) <= state.cursorMs) next++
      const before = state
      for (const effect of decide(state, worldAt(nowMs), nowMs)) {
        if (effect.effect === 'begin') {
          const { tick: { atMs }, template, run, remaining } = effect
          const begun: SimulatedRun = { run, template, plannedMs: atMs, beginMs: nowMs, endMs: nowMs + supposed.lengthMs(template, nowMs), verdict: supposed.verdict(run) }
          runs.set(run, begun)
          supposed.onRun?.(begun)
          state = fold(state, { kind: 'policy.ticked', data: { atMs, decidedAtMs: nowMs, template: template.name, experiment: template.experiment.name, outcome: 'run', run, remaining } })
        } else if (effect.effect === 'skip') {
          const { atMs, template, reason, why } = effect
          skipped.push({ plannedMs: atMs, decidedMs: nowMs, template, reason, why })
          state = fold(state, { kind: 'policy.ticked', data: { atMs, decidedAtMs: nowMs, template: template.name, experiment: template.experiment.name, outcome: 'skipped', reason } })
        } else if (effect.effect === 'pause') state = fold(state, { kind: 'policy.paused', data: { why: effect.why, run: effect.run, atMs: nowMs } })
        else if (effect.effect === 'settle') settle(effect.run, effect.verdict, effect.since, nowMs)
      }
      isSettled = state === before
    }
  }

  /** As the service does it: what is left now, against what was left as the run began. */
  function settle(run: string, verdict: Verdict, since: Readonly<Record<string, number>>, nowMs: number): void {
    const spent = Object.entries(since).flatMap(([slo, before]) => {
      const after = supposed.remaining(slo, nowMs)
      return after.is === 'known' ? [{ slo, ratio: Math.max(0, before - after.ratio), measured: true }] : []
    })
    state = fold(state, { kind: 'policy.settled', data: { run, verdict, endedAtMs: runs.get(run)?.endMs ?? nowMs, atMs: nowMs, spent } })
  }

  function worldAt(nowMs: number): Parameters<typeof decide>[1] {
    const underWay = [...state.runs.keys()].flatMap(run => runs.get(run) ?? []).filter(({ endMs }) => endMs > nowMs)
    return {
      halted: false, watchedSinceMs: fromMs, ticks: dueBy(nowMs), preference: supposed.preference,
      busy: underWay.map(({ run, template }) => ({ run, services: template.services })),
      loadBusy: underWay.find(({ template }) => template.experiment.load)?.run,
      endOf: run => {
        const known = runs.get(run)
        return known && known.endMs <= nowMs ? { verdict: known.verdict, atMs: known.endMs } : undefined
      },
      isBegun: run => runs.has(run),
      remaining: { atMs: nowMs, bySlo: new Map(policy.budgets.map(({ slo }) => [slo, supposed.remaining(slo, nowMs)])) },
    }
  }

  function dueBy(nowMs: number): Tick[] {
    const due: Tick[] = []
    for (let index = next; (ticks[index]?.atMs ?? Infinity) <= nowMs; index++) due.push(...ticks.slice(index, index + 1))
    return due
  }

  /** The next time at which something may be otherwise; undefined when nothing is to come. */
  function nextLookMs(nowMs: number): number | undefined {
    const waiting = dueBy(nowMs)[0]
    const settleMs = Math.max(0, ...policy.budgets.map(budget => budget.settleMs))
    const open = [...state.runs.keys()].flatMap(run => runs.get(run) ?? [])
    const times = [
      ...open.flatMap(({ endMs }) => [endMs, endMs + policy.cooldownMs, endMs + settleMs]),
      (state.lastEndMs ?? -Infinity) + policy.cooldownMs,
      ...waiting ? [waiting.atMs + policy.waitMs + 1, nowMs + answerFreshMs * 6] : ticks.slice(next, next + 1).map(({ atMs }) => atMs),
    ].filter(atMs => atMs > nowMs)
    return times.length === 0 ? undefined : Math.min(...times)
  }
}

/** As a preview supposes it: every run takes its time and passes, and no budget burns. */
export const allGoesWell: Supposed = {
  lengthMs: ({ lengthMs }) => lengthMs, verdict: () => 'passed', remaining: () => ({ is: 'known', ratio: 1 }),
}
