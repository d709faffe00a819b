import { Chance } from './chance.ts'
import { apartMs, betweenFaultsMs, leastLeaseMs, mostLeapMs, takeoverMs } from './must-pass.ts'
import { experiment, fault, type Disturbance, type Plan } from './plan.ts'

/** By their machines: a scheduler is alone on its own. */
const schedulers = ['s1', 's2'] as const
/** What a leader is about to do (Process.step), by the first words. */
const asks = { local: ['ask', 'ask box to plan', 'ask box to inject'], cluster: ['ask', 'ask cluster to resolve', 'ask n1 to inject'] } as const
const moments = ['publish run.submitted', 'publish run.phase', 'publish fault.ordered', 'publish run.sealed', 'signal heartbeat', 'write the lease'] as const
const clockJumpsMs = [-mostLeapMs, -50, -20, 20, 50, mostLeapMs] as const

/**
 * A plan after which every run must pass (must-pass.ts): only schedulers are disturbed, and mostly one at a time. Seeds of these are not those of `planOf`, which has everybody disturbed
 * at once: there hardly a run must pass, and one that is given up without need is not seen.
 */
export function gentlePlanOf(seed: number): Plan {
  const chance = new Chance(seed, 8)
  const place = chance.pick(['local', 'cluster'] as const)
  const documents = [{ atMs: 400, document: gentleExperiment(chance, place) }]
  if (place === 'cluster' && chance.happens(0.2)) documents.push({ atMs: chance.int(1_000, 5_000), document: { ...gentleExperiment(chance, place, { load: false }), faults: [drop(chance, chance.int(1_000, 3_000))] } })
  return {
    seed, place, documents,
    constitution: { hurt: chance.pick([0, 0.05]), healsMs: chance.pick([0, 1_000]) },
    disturbances: [...chance.happens(0.6) ? atMoment(chance, place) : inTurn(chance, chance.int(200, 6_000), chance.int(1, 3)), ...clockJumps(chance)],
  }
}

/** Its faults are never in each other's way (must-pass.ts), and hit no more than they may. */
function gentleExperiment(chance: Chance, place: Plan['place'], options?: { load: boolean }): object {
  return { ...experiment(chance, place, options), faults: place === 'local' ? onProcesses(chance) : onPods(chance), blastRadius: { maxTargets: 6 }, lease: `${chance.int(leastLeaseMs, 4_000)}ms` }
}

function onProcesses(chance: Chance): object[] {
  const atMs = chance.int(1_000, 2_500)
  const first = fault(chance, 'local', atMs)
  return chance.happens(0.7) ? [first] : [first, fault(chance, 'local', atMs + 5_000 + betweenFaultsMs)] // none lasts longer than 5 s
}

function onPods(chance: Chance): object[] {
  const atMs = chance.int(1_000, 2_500)
  const drops = Array.from({ length: chance.int(0, 2) }, () => drop(chance, atMs + chance.int(0, 3_000)))
  return drops.length === 0 ? [fault(chance, 'cluster', atMs)] : chance.happens(0.5) ? drops : [...drops, { ...drop(chance, atMs), kind: 'pod-pause' }]
}

const drop = (chance: Chance, atMs: number): object => ({ ...fault(chance, 'cluster', atMs), kind: 'network-drop', duration: `${chance.int(800, 5_000)}ms` })

/** As the leader is about to do something, or shortly after, often for about as long as another takes to lead; then perhaps once more, much later. */
function atMoment(chance: Chance, place: Plan['place']): Disturbance[] {
  const moment = chance.pick([...asks[place], ...asks[place], ...asks[place], ...moments])
  const afterMs = chance.pick([0, 0, chance.int(1, 6), chance.int(5, 60)])
  const first: Disturbance = {
    is: chance.pick(['paused-at-moment', 'paused-at-moment', 'crash-at-moment'] as const), who: 'leader', moment, nth: chance.int(1, moment === 'signal heartbeat' || moment === 'write the lease' ? 12 : moment.includes(' to ') ? chance.pick([1, 1, 2]) : 6),
    forMs: chance.pick([chance.int(100, 1_500), chance.int(1_200, 3_000), chance.int(1_000, 7_000)]), ...(afterMs > 0 && { afterMs }),
  }
  return [first, ...chance.happens(0.3) ? inTurn(chance, chance.int(6_000, 10_000), 1) : []]
}

function inTurn(chance: Chance, fromMs: number, count: number): Disturbance[] {
  const disturbances: Disturbance[] = []
  let atMs = fromMs
  for (let index = 0; index < count; index++) {
    const forMs = chance.pick([chance.int(100, 1_500), chance.int(1_000, 6_000)])
    disturbances.push(timed(chance, atMs, forMs))
    atMs += Math.max(takeoverMs, forMs) + chance.int(apartMs, 4_000)
  }
  return disturbances
}

function timed(chance: Chance, atMs: number, forMs: number): Disturbance {
  const is = chance.pick(['paused', 'crash', 'partition', 'follower-stalled', 'paused-at-step', 'crash-at-step'] as const)
  switch (is) {
    case 'paused': case 'crash': return { is, who: chance.pick(['leader', 'leader', 'scheduler-1', 'scheduler-2'] as const), atMs, forMs }
    case 'paused-at-step': case 'crash-at-step': return { is, who: chance.pick(['scheduler-1', 'scheduler-2'] as const), step: chance.int(1, 200), forMs }
    case 'partition': return { is, where: chance.pick(schedulers), fromMs: atMs, toMs: atMs + Math.max(takeoverMs, forMs) }
    case 'follower-stalled': return { is, where: chance.pick(schedulers), fromMs: atMs, toMs: atMs + Math.min(2_000, forMs) }
  }
}

function clockJumps(chance: Chance): Disturbance[] {
  return chance.happens(0.15) ? [{ is: 'clock-jump', where: chance.pick(schedulers), atMs: chance.int(200, 9_000), byMs: chance.pick(clockJumpsMs) }] : []
}
