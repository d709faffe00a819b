import { z } from 'zod'

/**
 * Which of several schedulers leads, with no I/O and no clock of its own. One key holds the lease; each write of it names the revision that
 * it replaces, so that of two at once only one succeeds.
 *
 *   standby --nothing new for `goneMs`, or released--> write --written--> leading --renewed--> leading
 *      ^                                                 |                   |
 *      '--------------- another was first ---------------+-------------------'
 *
 * A key that holds nothing is waited for like one that is not renewed: it may have been lost just now, with a leader who does not know of it yet. What is made in its place
 * has other revisions (epoch.ts), so that this one's renewals are refused. It may be lost again, after somebody took it: so who takes an empty one names which (`emptyAt`).
 *
 * Dates of two machines are never compared. A standby counts from when it *saw* the last renewal, the leader from when it *asked* for it, which was
 * earlier, and for less long: it has stopped acting when another begins. A write that nobody answered may have been stored, so it is looked for.
 * All times are milliseconds of the monotonic clock.
 */
export interface LeaseState {
  readonly me: Candidate
  /** What lies in the bucket as far as is known, since when it is seen unchanged. */
  readonly seen?: Found & { sinceMs: number }
  /** `epoch`: the revision of the write that took it; renewals keep it. */
  readonly held?: { epoch: number; revision: number; renewedMs: number }
  /** The read or write under way. */
  readonly asked?: { effect: 'read' } | { effect: 'write'; record: LeaseRecord; askedMs: number }
  /** Since when a write of this revision may have been stored without an answer: what is found to be ours counts from here. */
  readonly doubtMs?: number
  readonly readDueMs: number
  readonly resigned: boolean
}

/** `holder` is one start of one scheduler; `address` is where it answers, once it does. */
export interface Candidate { holder: string; address?: string | undefined }

export const leaseRecordSchema = z.object({
  holder: z.string(),
  address: z.string().optional(),
  /** Missing in the write that takes the lease: its own revision is the epoch. */
  epoch: z.int().positive().optional(),
  released: z.boolean().optional(),
})
export type LeaseRecord = z.output<typeof leaseRecordSchema>

/** `revision: 0`: nothing is there. `emptyAt`: then the last sequence of the bucket's stream, which no other bucket has that is made later (epoch.ts). */
export interface Found { revision: number; emptyAt?: number | undefined; record?: LeaseRecord | undefined }

export type LeaseInput =
  | { is: 'tick'; address?: string | undefined }
  | { is: 'read' } & Found
  | { is: 'written'; revision: number }
  /** Somebody else has written since, or it is another bucket. */
  | { is: 'refused' }
  /** No answer: a write may have been stored or not. */
  | { is: 'failed' }
  | { is: 'resign' }

/** `over`: what must be there still. */
export type LeaseEffect = { effect: 'read' } | { effect: 'write'; over: Omit<Found, 'record'>; record: LeaseRecord }

/**
 * Agents' leases are 3 s unless an experiment says otherwise, and renewed every second: they must outlive `goneMs`, a look, and a heartbeat.
 * `actsMs`: how long the leader acts after it asked for a renewal. A false alarm costs nothing but a change of leader.
 */
export const leaseTimes = { renewMs: 250, lookMs: 150, actsMs: 900, goneMs: 1_200 } as const

export function beginLease(me: Candidate): LeaseState {
  return { me, readDueMs: 0, resigned: false }
}

/** Asked before each deed. False too for a leader that was stopped for a while and does not know yet whether it was followed. */
export const leads = ({ held }: LeaseState, nowMs: number): boolean => held !== undefined && nowMs < held.renewedMs + leaseTimes.actsMs

/** Who leads, as last seen; undefined when nobody does, or nothing was seen yet. */
export const leaderOf = ({ seen }: LeaseState): Candidate | undefined => seen?.record && !seen.record.released ? seen.record : undefined

export interface LeaseNext { state: LeaseState; effects: LeaseEffect[] }

export function step(state: LeaseState, input: LeaseInput, nowMs: number): LeaseNext {
  switch (input.is) {
    case 'tick': return tick(input.address === undefined ? state : { ...state, me: { ...state.me, address: input.address } }, nowMs)
    case 'resign': return resign(state, nowMs)
    case 'read': return { state: look(settled(state), input, nowMs), effects: [] }
    case 'written': return written(state, input.revision, nowMs)
    case 'refused': return read(without(settled(state), 'held', 'seen'), nowMs)
    case 'failed': return { state: without(settled(state), 'seen'), effects: [] } // what lies there now is not known: read first
  }
}

function tick(state: LeaseState, nowMs: number): LeaseNext {
  const { seen, held, asked, resigned } = state
  if (asked || resigned) return nothing(state)
  if (!seen) return read(state, nowMs)
  if (held) return nowMs >= held.renewedMs + leaseTimes.renewMs ? write(state, seen, { ...state.me, epoch: held.epoch }, nowMs) : nothing(state)
  if (isFree(seen, nowMs)) return write(state, seen, { ...state.me }, nowMs)
  return nowMs >= state.readDueMs ? read(state, nowMs) : nothing(state)
}

const isFree = ({ record, sinceMs }: NonNullable<LeaseState['seen']>, nowMs: number): boolean =>
  record?.released === true || nowMs >= sinceMs + leaseTimes.goneMs

function look(state: LeaseState, { revision, emptyAt, record }: Found, nowMs: number): LeaseState {
  const isUnchanged = state.seen?.revision === revision && state.seen.emptyAt === emptyAt
  const seen = { revision, emptyAt, record, sinceMs: isUnchanged ? state.seen.sinceMs : nowMs }
  if (state.held?.revision === revision) return { ...state, seen } // a write that nobody answered may still come
  const sure = without(state, 'held', 'doubtMs') // it can no longer: it names a revision that is gone
  if (record?.holder !== state.me.holder || record.released || state.resigned) return { ...sure, seen }
  return { ...sure, seen, held: { epoch: record.epoch ?? revision, revision, renewedMs: state.doubtMs ?? nowMs - leaseTimes.goneMs } }
}

function written(state: LeaseState, revision: number, nowMs: number): LeaseNext {
  if (state.asked?.effect !== 'write') return nothing(state)
  const { record, askedMs } = state.asked
  const next = { ...without(state, 'asked', 'doubtMs', 'held'), seen: { revision, record, sinceMs: nowMs } }
  if (record.released) return nothing(next)
  const held = { epoch: record.epoch ?? revision, revision, renewedMs: askedMs }
  return state.resigned ? resign({ ...next, held }, nowMs) : nothing({ ...next, held })
}

/** Gives the lease back, so that nobody has to wait for its end; if a renewal is under way, after it. */
function resign(state: LeaseState, nowMs: number): LeaseNext {
  const { held, asked } = state
  const gone = without({ ...state, resigned: true }, 'held')
  return held && !asked ? write(gone, held, { ...state.me, released: true }, nowMs) : nothing(gone)
}

function read(state: LeaseState, nowMs: number): LeaseNext {
  return { state: { ...state, asked: { effect: 'read' }, readDueMs: nowMs + leaseTimes.lookMs }, effects: [{ effect: 'read' }] }
}

function write(state: LeaseState, { revision, emptyAt }: Found, record: LeaseRecord, nowMs: number): LeaseNext {
  return { state: { ...state, asked: { effect: 'write', record, askedMs: nowMs }, doubtMs: state.doubtMs ?? nowMs }, effects: [{ effect: 'write', over: { revision, emptyAt }, record }] }
}

const nothing = (state: LeaseState): LeaseNext => ({ state, effects: [] })
const settled = (state: LeaseState): LeaseState => without(state, 'asked')

function without(state: LeaseState, ...names: ('seen' | 'held' | 'asked' | 'doubtMs')[]): LeaseState {
  const left = { ...state }
  for (const name of names) delete left[name]
  return left
}
