import type { StoredFact } from '#shared/events.ts'
import { experimentSchema, type Experiment, type ExperimentFault } from '#shared/experiment.ts'
import { patience } from '../../services/scheduler/core.ts'
import type { Spell } from './chaos.ts'
import type { Disturbance, Plan } from './plan.ts'

/**
 * When a run must pass: nothing was hurt that it needs. The crash matrix demands the same of real parts (test/crash-matrix/table.ts, `expectationOf`); here each condition is one
 * without which nobody could promise it.
 *
 * - Only schedulers are disturbed, and nobody asks for an abort or a halt.
 * - While one of them is stopped, dead, cut off or without news the other is there, and has been for `apartMs`; and `takeoverMs` after one of these began no other has: by then somebody
 *   leads, and has renewed the leases.
 * - Leases are long enough for another to take over: the last renewal may be a third of one old, and then it takes 1.2 s until a leader counts as gone, a look and two ticks (lease.ts).
 * - Who is cut off is so until another leads: whoever leads on does not know that what it asked meanwhile is lost until the time for the answer is over, which may be too long for the run.
 * - Nobody is without news for as long as it would wait for them before it gives the run up.
 * - No leader is gone between its words to two agents for one fault. Nobody else knows what the second was to be told, so that the fault stays half, and the run is inconclusive.
 * - Clocks leap by less than a gate's window: phases are dated by the leader's.
 * - The system does not fail, and of two faults neither is in the other's way or is refused for hitting too much.
 */
export const apartMs = 500
export const takeoverMs = 2_000
export const leastLeaseMs = 2_500
export const mostLeapMs = 100
/** From a word that is sent until it is there. */
const onItsWayMs = 3
/** What the system may have at all: two nodes with two pods each, or three processes. */
const everybody = 4
/** From the end of a fault until what was killed is there again, whatever takeovers have delayed it. */
export const betweenFaultsMs = 5_000

/** What has happened. `spells`: when which scheduler was not there. `orders`: of faults that several agents do, when who told one of them. */
export interface Played { spells: readonly Spell[]; orders: readonly { machine: string; atMs: number }[] }

/** Why nobody can demand that the runs of this plan pass, as it was played; undefined when each must. */
export function whyExcused({ constitution, documents, disturbances }: Plan, { spells, orders }: Played): string | undefined {
  const other = disturbances.find(disturbance => !isOfOneScheduler(disturbance))
  if (other) return `${other.is} is not of one scheduler`
  if (constitution.hurt > 0.05) return 'the system fails beyond its limit'
  const experiments = documents.map(({ document }) => experimentSchema.parse(document))
  return experiments.map(whyWanting).find(why => why !== undefined) ?? whyInTheWay(experiments) ?? whyNobodyWasThere(spells) ?? whyHalfTold(spells, orders)
}

function isOfOneScheduler(disturbance: Disturbance): boolean {
  switch (disturbance.is) {
    case 'paused': case 'crash': case 'paused-at-step': case 'crash-at-step': case 'paused-at-moment': case 'crash-at-moment': return disturbance.who === 'leader' || disturbance.who.startsWith('scheduler-')
    case 'partition': return isOfScheduler(disturbance) && disturbance.toMs - disturbance.fromMs >= takeoverMs
    case 'follower-stalled': return isOfScheduler(disturbance) && disturbance.toMs - disturbance.fromMs < patience.steadyGatesMs - apartMs
    case 'clock-jump': return isOfScheduler(disturbance) && Math.abs(disturbance.byMs) <= mostLeapMs
    default: return false
  }
}

const isOfScheduler = ({ where }: { where: string }): boolean => where === 's1' || where === 's2'

function whyWanting({ leaseMs, blastRadius: { maxTargets, maxShare } }: Experiment): string | undefined {
  if (leaseMs < leastLeaseMs) return `a lease of ${leaseMs} ms is over before another leads`
  return maxTargets < everybody || maxShare < 1 ? 'a fault may be refused for hitting too much' : undefined
}

function whyInTheWay(experiments: readonly Experiment[]): string | undefined {
  const faults = experiments.flatMap((experiment, of) => experiment.faults.map(fault => ({ of, fault })))
  const clash = faults.find((one, index) => faults.slice(index + 1).some(other => mayClash(one.fault, other.fault) && (one.of !== other.of || !areApart(one.fault, other.fault))))
  return clash && `${clash.fault.id} and another may want the same target`
}

/** A stopped process can be cut off, too. */
const mayClash = (one: ExperimentFault, other: ExperimentFault): boolean => {
  const kinds = [one.kind, other.kind]
  return kinds.some(kind => kind !== 'network-drop' && kind !== 'pod-pause') || kinds.every(kind => kind === 'pod-pause')
}

const areApart = (one: ExperimentFault, other: ExperimentFault): boolean =>
  Math.max(one.atMs, other.atMs) >= (one.atMs <= other.atMs ? one.atMs + (one.durationMs ?? 0) : other.atMs + (other.durationMs ?? 0)) + betweenFaultsMs

function whyNobodyWasThere(spells: readonly Spell[]): string | undefined {
  const inTurn = spells.toSorted((one, other) => one.fromMs - other.fromMs)
  const tooSoon = inTurn.find(({ fromMs }, index) => inTurn.slice(0, index).some(before => fromMs < Math.max(before.untilMs + apartMs, before.fromMs + takeoverMs)))
  return tooSoon && `at ${tooSoon.fromMs} ms nobody was there who could take over`
}

function whyHalfTold(spells: readonly Spell[], orders: Played['orders']): string | undefined {
  const half = orders.find(({ machine, atMs }) => spells.some(spell => spell.machine === machine && spell.fromMs >= atMs && spell.fromMs <= atMs + onItsWayMs))
  return half && `at ${half.atMs} ms a leader may have told one of several agents`
}

/** What these facts of one run lack. */
export function shortOfPass(facts: readonly StoredFact[]): string[] {
  return facts.flatMap((stored, index): string[] => {
    switch (stored.kind) {
      case 'run.judged': return stored.fact.data.verdict === 'passed' ? [] : [`it is ${stored.fact.data.verdict}: ${stored.fact.data.reasons.join('; ')}`]
      case 'fault.injected': {
        const { fault, node } = stored.fact.data
        return facts.slice(0, index).some(before => before.kind === 'fault.injected' && before.fact.data.fault === fault && before.fact.data.node === node) ? [`${fault} was done twice on ${node}`] : []
      }
      case 'fault.reverted': {
        const { fault, node, cause } = stored.fact.data
        return cause === 'duration' || cause === 'instant' ? [] : [`${fault} on ${node} was ended by ${cause}, not by its duration`]
      }
      default: return []
    }
  })
}
