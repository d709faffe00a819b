/**
 * Who is disturbed, how, and when in a run; and of each of these cells what may come of it. Pure.
 *
 * Every triple is in the matrix. One that makes no sense is there too, with its reason, so that none is silently absent.
 */
import { shuffled, seededRandom } from '../parts/seeded-random.ts'

/** Processes of the rig (rig.ts), by name. `nats-1` to `nats-3` are one cluster. */
export const processNames = [
  'scheduler-1', 'scheduler-2', 'injector', 'locust-bridge', 'slo-evaluator', 'nats-1', 'nats-2', 'nats-3', 'prometheus', 'locust-master', 'locust-worker',
] as const
export type ProcessName = typeof processNames[number]

export const parts = {
  'scheduler-leader': 'the scheduler that leads',
  'scheduler-standby': 'the other one',
  'injector': 'the agent; the reverters that it has started are left alone',
  'locust-bridge': 'the bridge to Locust',
  'slo-evaluator': 'the evaluator',
  'services': 'all five services at once, which is the machine that they are on',
  'nats-one': 'a NATS server that does not lead the stream of facts: of both, the one with more services connected to it',
  'nats-leader': 'the NATS server that leads it',
  'nats-all': 'all three NATS servers',
  'prometheus': 'Prometheus',
  'locust-master': 'Locust\'s master',
  'locust-worker': 'Locust\'s only worker, which sends the requests',
} as const
export type Part = keyof typeof parts

export const disturbances = {
  'kill': 'SIGKILL; started anew a second later',
  'kill-for-good': 'SIGKILL; started by hand once every fault is over',
  'stop': 'SIGSTOP for longer than the lease, then SIGCONT',
  'partition': 'nothing passes between it and NATS for longer than the lease; no connection is closed',
  'restart': 'SIGTERM, and started anew as soon as it has ended',
  'disk-full': 'not a byte is left on the disk with its data, for longer than the lease; what is freed is taken again',
  'slowness': 'three quarters of five seconds it is stopped, 150 ms at a time',
  'clock-ahead': 'its clock jumps an hour ahead, and stays there until the verdict; then it jumps back',
  'clock-behind': 'its clock jumps an hour back, and stays there until the verdict; then it jumps ahead',
} as const
export type Disturbance = keyof typeof disturbances

/** `until` names the fact on which the disturbance begins. */
export const phases = {
  'before': { when: 'the run looks for a steady system', fact: 'run.phase steady' },
  'injection': { when: 'the faults are being ordered', fact: 'run.phase inject' },
  'held': { when: 'both faults are there', fact: 'the second fault.injected' },
  'breach': { when: 'both faults are there, and in the same moment the system begins to fail for 2.5 s', fact: 'the second fault.injected' },
  'revert': { when: 'the faults end', fact: 'the first fault.reverted' },
  'recovery': { when: 'the run looks for a system that has recovered', fact: 'run.phase recover' },
} as const
export type Phase = keyof typeof phases

export interface Cell { part: Part; disturbance: Disturbance; phase: Phase }

/** `passes`: nothing that the run needs is hurt. `decides`: a pass needs the whole record (demands.ts). `never passes`: something is missing for sure. */
export type Expectation = 'passes' | 'decides' | 'never passes'

export const nameOf = ({ part, disturbance, phase }: Cell): string => `${part}/${disturbance}/${phase}`

export const keysOf = <K extends string>(record: Readonly<Record<K, unknown>>): K[] => Object.keys(record) as K[]

/** By how much a clock jumps. */
export const clockJumpsMs: Readonly<Partial<Record<Disturbance, number>>> = { 'clock-ahead': 3_600_000, 'clock-behind': -3_600_000 }

/** Servers that must be in a guest for a cell (guest-servers.ts), because their clock jumps: everybody on the host has the host's, which is nobody's to set. */
export function inGuestOf({ part, disturbance }: Cell): ProcessName[] {
  if (clockJumpsMs[disturbance] === undefined) return []
  if (part === 'prometheus') return ['prometheus']
  return part === 'nats-all' ? ['nats-1', 'nats-2', 'nats-3'] : ['nats-3']
}

/** Why a part cannot be disturbed in that way, at any phase; undefined when it can. */
export function senseless(part: Part, disturbance: Disturbance): string | undefined {
  const isNats = part.startsWith('nats-')
  if (clockJumpsMs[disturbance] !== undefined && !isNats && part !== 'prometheus') return 'it is no server; clocks of services jump in the simulation (docs/simulation.md)'
  if (disturbance === 'disk-full' && part === 'prometheus') return 'it reserves 128 MB for a file at a time, so a disk that is small enough to be filled is too small to start on; without a disk it answers nothing, as when it is stopped'
  if (disturbance === 'disk-full' && part === 'services') return 'of the five only the agent keeps anything on a disk: see injector'
  if (disturbance === 'disk-full' && !isNats && part !== 'injector') return 'it keeps nothing on a disk: all that it knows is the stream'
  if (disturbance === 'partition' && part === 'prometheus') return 'it has no connection to NATS; who asks it is left without an answer, as when it is stopped'
  if (disturbance === 'partition' && (part === 'locust-master' || part === 'locust-worker')) return 'it has no connection to NATS; the bridge hears nothing of it, as when it is stopped'
  return undefined
}

/** All that make sense, the most telling first: what is done while faults are there, by the roughest means. */
export function allCells(): Cell[] {
  const weight = <K extends string>(order: readonly K[], key: K) => order.indexOf(key)
  const byPhase = ['held', 'breach', 'injection', 'revert', 'before', 'recovery'] as const
  const byDisturbance = ['kill', 'stop', 'kill-for-good', 'partition', 'disk-full', 'restart', 'slowness', 'clock-ahead', 'clock-behind'] as const
  const valueOf = ({ phase, disturbance }: Cell) => weight(byPhase, phase) * 1.5 + weight(byDisturbance, disturbance)
  const cells = keysOf(parts).flatMap(part => keysOf(disturbances).flatMap(disturbance => keysOf(phases).flatMap(phase => senseless(part, disturbance) === undefined ? [{ part, disturbance, phase }] : [])))
  return cells.toSorted((a, b) => valueOf(a) - valueOf(b))
}

/** So many of them, chosen by the seed. The same seed gives the same. */
export function sampleOf(cells: readonly Cell[], count: number, seed: number): Cell[] {
  return shuffled(cells, seededRandom(seed)).slice(0, count)
}

export interface Shard { index: number; of: number }

/** The first of two gets the first, third, fifth ...: each has of the most telling ones. */
export const shardOf = (cells: readonly Cell[], { index, of }: Shard): Cell[] => cells.filter((_, at) => at % of === index - 1)

/** Whether nobody renews the leases once it is disturbed, so that the faults must end with them. */
export function cutsRenewal({ part, disturbance }: Cell): boolean {
  switch (part) {
    case 'injector': return disturbance !== 'slowness'
    case 'services': return disturbance !== 'slowness' && disturbance !== 'kill' && disturbance !== 'restart' // started anew, they renew before it is over
    case 'nats-all': return disturbance === 'stop' || disturbance === 'partition' || disturbance === 'kill-for-good'
    default: return false
  }
}

export function expectationOf(cell: Cell): Expectation {
  const { part, disturbance, phase } = cell
  if (phase === 'breach') return 'never passes' // users were really hurt
  if (inGuestOf(cell).length > 0) return part !== 'prometheus' ? 'passes' : phase === 'revert' || phase === 'recovery' ? 'decides' : 'never passes' // samples of another time say nothing of this
  if (part === 'scheduler-standby') return 'passes'
  if (part === 'scheduler-leader' && disturbance !== 'slowness') return 'passes' // the other one leads before a lease is over
  const isStartedAnew = disturbance === 'kill' || disturbance === 'kill-for-good' || disturbance === 'restart'
  if (phase === 'held') {
    if (cutsRenewal(cell)) return 'never passes' // the faults were cut short
    if (part === 'services' && isStartedAnew) return 'never passes'
  }
  const isUnderLoad = phase === 'held' || phase === 'injection' || phase === 'before'
  if (isUnderLoad && isStartedAnew && (part === 'locust-bridge' || part === 'services')) return 'never passes' // what was sent meanwhile is not known
  if (isUnderLoad && disturbance === 'kill-for-good' && part === 'locust-worker') return 'never passes' // nothing was sent
  return 'decides'
}

/** `follower`: the one of the servers that do not lead the stream that has most connections. */
export interface Leaders { scheduler: ProcessName; nats: ProcessName; follower: ProcessName }

/** Processes that a part is, which depends on who leads now. */
export function processesOf(part: Part, leaders: Leaders): ProcessName[] {
  const nats = processNames.filter(name => name.startsWith('nats-'))
  const schedulers = processNames.filter(name => name.startsWith('scheduler-'))
  switch (part) {
    case 'scheduler-leader': return [leaders.scheduler]
    case 'scheduler-standby': return schedulers.filter(name => name !== leaders.scheduler)
    case 'services': return [...schedulers, 'injector', 'locust-bridge', 'slo-evaluator']
    case 'nats-one': return [leaders.follower]
    case 'nats-leader': return [leaders.nats]
    case 'nats-all': return nats
    default: return [part]
  }
}
