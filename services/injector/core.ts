import { isOlderEpoch, type Epoch } from '#shared/epoch.ts'
import { faultOfPart } from '#shared/fault.ts'

/**
 * What the agent decides, with no I/O and no clock of its own. Each fault (one of a run, by name) goes its own way:
 *
 *   --inject--> preparing --prepared--> acting --acted--> active --heartbeat--> active
 *                   |                      |                 |
 *                   '---- revert, abort, halt, lease or duration over, failed, drain ----> reverting --undone--> gone
 *                                                                                            ^   |
 *                                    journal of an earlier start --restore-------------------'   | not confirmed
 *                                                                                            |   v
 *                                                                                           quarantined (tried again)
 *
 * Preparing writes the undo to disk and starts the reverter: both are there before the act. A fault is done at most once. All times are
 * milliseconds of the monotonic clock; dates in observations are only passed on.
 */
export interface State {
  highestEpoch: Epoch | undefined
  /** Why nothing is injected, while a halt file is there. */
  halted?: string | undefined
  /** Runs that were aborted, and faults (`run/fault`) that have ended: never done, or never done again. Oldest first. */
  tombstones: readonly string[]
  faults: ReadonlyMap<string, HeldFault>
}

export type RevertCause = 'duration' | 'command' | 'abort' | 'halt' | 'lease' | 'restart' | 'instant'
export interface FaultName { run: string; fault: string }
/** What was read back, and when (Unix epoch, milliseconds). */
export interface Observation { verified: boolean; readBack: readonly string[]; atMs: number }

/** `alone`: what no other fault may have of its targets meanwhile. */
export type HeldFault = FaultName & { targets: readonly string[]; alone?: string | undefined } & (
  | { at: 'preparing' | 'acting'; leaseEndsMs: number; durationMs: number | undefined }
  | { at: 'active'; leaseEndsMs: number; endsMs: number }
  /** `why`: it failed, or ended before it was there. `doubted`: it was already reported that the revert is not confirmed. */
  | { at: 'reverting'; cause: RevertCause; injected: boolean; why: string; doubted: boolean }
  | { at: 'quarantined'; cause: RevertCause; injected: boolean; why: string; retryAtMs: number }
)

/** What became of an effect. */
export type Result =
  | FaultName & { is: 'prepared' }
  | FaultName & { is: 'acted' | 'undone'; observation: Observation }
  | FaultName & { is: 'failed'; why: string }
  /** The kernel's lease was gone when it was to be renewed, or the reverter has ended. */
  | FaultName & { is: 'lapsed' }

export type Input =
  | Result
  | FaultName & { is: 'inject'; targets: readonly string[]; alone?: string | undefined; widens?: true | undefined; epoch: Epoch; deadlineMs: number; leaseMs: number; durationMs: number | undefined }
  | FaultName & { is: 'revert' }
  | FaultName & { is: 'restore'; targets: readonly string[]; alone?: string | undefined; cause: RevertCause }
  | { is: 'heartbeat'; run: string; epoch: Epoch; leaseMs: number }
  | { is: 'abort'; run: string }
  /** A halt file is there, or is gone. Repeatable. */
  | { is: 'halt'; why: string }
  | { is: 'resume' }
  | { is: 'drain' }
  | { is: 'tick' }

/** To be done in order. `remember`: epoch and tombstones are on disk before what follows. `turn-away` answers only the one who asked. */
export type Effect =
  | { effect: 'remember' }
  | FaultName & { effect: 'prepare' | 'renew'; leaseEndsMs: number; endsMs: number | undefined }
  | FaultName & { effect: 'act' | 'release' }
  | FaultName & { effect: 'undo'; cause: RevertCause }
  | FaultName & { effect: 'refuse' | 'turn-away'; why: string }
  | FaultName & { effect: 'announce'; fact: 'injected'; observation: Observation }
  | FaultName & { effect: 'announce'; fact: 'reverted'; cause: RevertCause; observation: Observation }
  | FaultName & { effect: 'announce'; fact: 'lapsed' }
  | { effect: 'acknowledge'; run: string; holding: number }

export interface Next { state: State; effects: Effect[] }

export const initialState: State = { highestEpoch: undefined, tombstones: [], faults: new Map() }
export const keyOf = ({ run, fault }: FaultName): string => `${run}/${fault}`

const retryMs = 1_000
const tombstonesKept = 5_000

export function step(state: State, input: Input, nowMs: number): Next {
  switch (input.is) {
    case 'inject': return inject(state, input, nowMs)
    case 'heartbeat': return heartbeat(state, input, nowMs)
    case 'abort': return abort(state, input.run)
    case 'revert': return revert(state, input)
    case 'restore': return restore(state, input)
    case 'halt': return each({ ...state, halted: input.why }, [...state.faults.values()], (now, fault) => end(now, fault, 'halt', input.why))
    case 'resume': return nothing({ ...state, halted: undefined })
    case 'drain': return each(state, [...state.faults.values()], (now, fault) => end(now, fault, 'command', 'the agent was stopped'))
    case 'tick': return each(state, [...state.faults.values()], (now, fault) => tick(now, fault, nowMs))
    default: {
      const fault = state.faults.get(keyOf(input))
      return fault ? result(state, fault, input, nowMs) : nothing(state)
    }
  }
}

function inject(state: State, input: Input & { is: 'inject' }, nowMs: number): Next {
  const { run, fault, targets, alone, epoch, leaseMs, durationMs } = input
  if (state.faults.has(keyOf(input))) return { state, effects: [{ effect: 'turn-away', run, fault, why: 'it is held already' }] }
  if (state.tombstones.includes(keyOf(input))) return { state, effects: [{ effect: 'turn-away', run, fault, why: 'it has ended already' }] }
  if (state.halted !== undefined) return halted(state, input, state.halted)
  const why = refusal(state, input, nowMs)
  if (why !== undefined) return { state, effects: [{ effect: 'refuse', run, fault, why }] }
  const leaseEndsMs = nowMs + leaseMs
  const known = learn(state, epoch)
  return {
    state: hold(known.state, { run, fault, targets, alone, at: 'preparing', leaseEndsMs, durationMs }),
    // until the act is done nobody knows when its duration ends: the lease alone ends it, and this bound is sure to be later
    effects: [...known.effects, { effect: 'prepare', run, fault, leaseEndsMs, endsMs: durationMs === undefined ? undefined : leaseEndsMs + durationMs }],
  }
}

/** The command's epoch is learned all the same: once the halt is over, an older leader is obeyed no more. */
function halted(state: State, { run, fault, epoch }: Input & { is: 'inject' }, why: string): Next {
  const known = learn(state, epoch)
  return { state: known.state, effects: [...known.effects, { effect: 'refuse', run, fault, why }] }
}

function refusal(state: State, input: Input & { is: 'inject' }, nowMs: number): string | undefined {
  if (state.tombstones.includes(input.run)) return 'the run was aborted before it came'
  if (isOlderEpoch(input.epoch, state.highestEpoch)) return 'it comes from a scheduler that has been followed by another'
  if (nowMs > input.deadlineMs) return `it came ${Math.ceil(nowMs - input.deadlineMs)} ms after its deadline`
  for (const other of state.faults.values()) {
    const shared = other.targets.find(target => input.targets.includes(target))
    if (shared === undefined) continue
    if (!input.widens && other.run === input.run && faultOfPart(other.fault) === faultOfPart(input.fault)) return `${shared} is in ${keyOf(other)} already`
    if (other.at === 'quarantined') return `${shared} is quarantined: the revert of ${keyOf(other)} is not confirmed`
    if (input.alone !== undefined && input.alone === other.alone) return `${shared} is held by ${keyOf(other)}`
  }
  return undefined
}

function heartbeat(state: State, { run, epoch, leaseMs }: Input & { is: 'heartbeat' }, nowMs: number): Next {
  if (isOlderEpoch(epoch, state.highestEpoch)) return nothing(state)
  const known = learn(state, epoch)
  const renewed = each(known.state, ofRun(known.state, run), (now, fault) => {
    if (fault.at === 'reverting' || fault.at === 'quarantined') return nothing(now)
    if (nowMs >= endOf(fault)) return tick(now, fault, nowMs) // what has lapsed is never renewed
    const leaseEndsMs = nowMs + leaseMs
    const endsMs = fault.at === 'active' ? fault.endsMs : fault.durationMs === undefined ? undefined : leaseEndsMs + fault.durationMs
    return { state: hold(now, { ...fault, leaseEndsMs }), effects: [{ effect: 'renew', run, fault: fault.fault, leaseEndsMs, endsMs }] }
  })
  return { state: renewed.state, effects: [...known.effects, ...renewed.effects] }
}

/** Never too late and never too old: the tombstone refuses an inject that is still on its way. */
function abort(state: State, run: string): Next {
  const buried = bury(state, run)
  const ended = each(buried.state, ofRun(buried.state, run), (now, fault) => end(now, fault, 'abort', 'the run was aborted before it was there'))
  return { state: ended.state, effects: [...buried.effects, ...ended.effects, { effect: 'acknowledge', run, holding: ofRun(ended.state, run).length }] }
}

function revert(state: State, input: FaultName): Next {
  const fault = state.faults.get(keyOf(input))
  return fault ? end(state, fault, 'command', 'it was reverted before it was there') : bury(state, keyOf(input))
}

function restore(state: State, { run, fault, targets, alone, cause }: Input & { is: 'restore' }): Next {
  const lapsed: Effect[] = cause === 'lease' ? [{ effect: 'announce', fact: 'lapsed', run, fault }] : []
  return {
    state: hold(state, { run, fault, targets, alone, at: 'reverting', cause, injected: true, why: '', doubted: false }),
    effects: [...lapsed, { effect: 'undo', run, fault, cause }],
  }
}

function tick(state: State, fault: HeldFault, nowMs: number): Next {
  switch (fault.at) {
    case 'reverting': return nothing(state)
    case 'quarantined': return nowMs >= fault.retryAtMs ? end(state, fault, fault.cause, fault.why) : nothing(state)
    case 'active':
      if (nowMs < endOf(fault)) return nothing(state)
      return fault.endsMs <= fault.leaseEndsMs ? end(state, fault, 'duration', '') : lapse(state, fault) // after a stall both may be over: the first counts
    case 'preparing': case 'acting': return nowMs >= fault.leaseEndsMs ? lapse(state, fault) : nothing(state)
  }
}

function result(state: State, fault: HeldFault, input: Result, nowMs: number): Next {
  const { run, fault: name } = fault
  switch (input.is) {
    case 'prepared':
      return fault.at === 'preparing' ? { state: hold(state, { ...fault, at: 'acting' }), effects: [{ effect: 'act', run, fault: name }] } : nothing(state)
    case 'acted': return acted(state, fault, input.observation, nowMs)
    case 'failed':
      if (fault.at === 'reverting') return { state: hold(state, { ...fault, why: input.why }), effects: [] }
      return end(state, fault, 'command', input.why)
    case 'lapsed':
      if (fault.at === 'active' && nowMs >= fault.endsMs) return tick(state, fault, nowMs) // what keeps time by itself may end a moment before the tick
      return fault.at === 'active' || fault.at === 'acting' ? lapse(state, fault) : nothing(state)
    case 'undone': return fault.at === 'reverting' ? undone(state, fault, input.observation, nowMs) : nothing(state)
  }
}

function acted(state: State, fault: HeldFault, observation: Observation, nowMs: number): Next {
  const { run, fault: name, targets, alone } = fault
  const injected: Effect = { effect: 'announce', fact: 'injected', run, fault: name, observation }
  if (fault.at === 'reverting') return { state: hold(state, { ...fault, injected: true }), effects: [injected] } // its undo is under way
  if (fault.at !== 'acting') return nothing(state)
  if (fault.durationMs === undefined) {
    const gone = forget(state, fault)
    return { state: gone.state, effects: [injected, { effect: 'announce', fact: 'reverted', run, fault: name, cause: 'instant', observation }, ...gone.effects] }
  }
  const { leaseEndsMs } = fault
  const endsMs = nowMs + fault.durationMs
  return {
    state: hold(state, { run, fault: name, targets, alone, at: 'active', leaseEndsMs, endsMs }),
    effects: [{ effect: 'renew', run, fault: name, leaseEndsMs, endsMs }, injected],
  }
}

function undone(state: State, fault: HeldFault & { at: 'reverting' }, observation: Observation, nowMs: number): Next {
  const { run, fault: name, targets, alone, cause, injected, why } = fault
  const reverted: Effect = { effect: 'announce', fact: 'reverted', run, fault: name, cause, observation }
  if (!observation.verified) {
    return { state: hold(state, { run, fault: name, targets, alone, at: 'quarantined', cause, injected, why, retryAtMs: nowMs + retryMs }), effects: fault.doubted ? [] : [reverted] }
  }
  const gone = forget(state, fault)
  const told: Effect = injected || fault.doubted ? reverted : { effect: 'refuse', run, fault: name, why }
  return { state: gone.state, effects: [told, ...gone.effects] }
}

/** Undo it, unless that is under way. The first cause stays. */
function end(state: State, fault: HeldFault, cause: RevertCause, why: string): Next {
  if (fault.at === 'reverting') return nothing(state)
  const { run, fault: name, targets, alone } = fault
  const next: HeldFault & { at: 'reverting' } = fault.at === 'quarantined'
    ? { run, fault: name, targets, alone, at: 'reverting', cause: fault.cause, injected: fault.injected, why: fault.why, doubted: true }
    : { run, fault: name, targets, alone, at: 'reverting', cause, injected: fault.at === 'active', why, doubted: false }
  return { state: hold(state, next), effects: [{ effect: 'undo', run, fault: name, cause: next.cause }] }
}

function lapse(state: State, fault: HeldFault): Next {
  const { run, fault: name } = fault
  const ended = end(state, fault, 'lease', 'its lease ran out before it was there')
  return { state: ended.state, effects: [{ effect: 'announce', fact: 'lapsed', run, fault: name }, ...ended.effects] }
}

/** The fault is gone. `release` takes it off the disk last: after a crash before that it is announced again, rather than never. */
function forget(state: State, { run, fault }: FaultName): Next {
  const faults = new Map(state.faults)
  faults.delete(keyOf({ run, fault }))
  const buried = bury({ ...state, faults }, keyOf({ run, fault }))
  const left = ofRun(buried.state, run).length
  const answer: Effect[] = state.tombstones.includes(run) ? [{ effect: 'acknowledge', run, holding: left }] : []
  return { state: buried.state, effects: [...buried.effects, { effect: 'release', run, fault }, ...answer] }
}

function bury(state: State, name: string): Next {
  if (state.tombstones.includes(name)) return nothing(state)
  return { state: { ...state, tombstones: [...state.tombstones, name].slice(-tombstonesKept) }, effects: [{ effect: 'remember' }] }
}

function learn(state: State, epoch: Epoch): Next {
  return state.highestEpoch === undefined || isOlderEpoch(state.highestEpoch, epoch) ? { state: { ...state, highestEpoch: epoch }, effects: [{ effect: 'remember' }] } : nothing(state)
}

function endOf(fault: HeldFault & { leaseEndsMs: number }): number {
  return fault.at === 'active' ? Math.min(fault.leaseEndsMs, fault.endsMs) : fault.leaseEndsMs
}

const hold = (state: State, fault: HeldFault): State => ({ ...state, faults: new Map(state.faults).set(keyOf(fault), fault) })
const ofRun = (state: State, run: string): HeldFault[] => [...state.faults.values()].filter(fault => fault.run === run)
const nothing = (state: State): Next => ({ state, effects: [] })

function each(state: State, faults: readonly HeldFault[], change: (state: State, fault: HeldFault) => Next): Next {
  const effects: Effect[] = []
  let now = state
  for (const fault of faults) {
    const next = change(now, fault)
    now = next.state
    effects.push(...next.effects)
  }
  return { state: now, effects }
}
