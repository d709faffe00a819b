import type { V1Lease } from '@kubernetes/client-node'
import { codeOf, unlessMissing } from '#shared/kubernetes-answer.ts'
import type { JournalEntry, Reverted } from '../journal.ts'
import { ask, type Kubernetes } from './kubernetes.ts'

/**
 * The journal of what is done through the Kubernetes API, in the API itself: it outlives the agent's pod and its node. A fault is one Lease
 * (coordination.k8s.io) in faultline's namespace. Whoever reads it knows what to undo, and counts its time from the moment at which it was seen to
 * change, as other users of Leases do: clocks of two machines are never compared.
 */
export interface FaultRecords {
  /** On record before the fault begins. */
  open(entry: JournalEntry, left: TimeLeft): Promise<void>
  /** `lapsed`: a restorer has ended the fault, or the record is gone. */
  renew(id: string, left: TimeLeft): Promise<'renewed' | 'lapsed'>
  all(): Promise<FaultRecord[]>
  /** Undefined when it is gone. */
  read(id: string): Promise<FaultRecord | undefined>
  /** Nothing to do when it is gone: whoever took it away has told of the fault. */
  markReverted(id: string, reverted: Reverted): Promise<void>
  remove(id: string): Promise<void>
}

/** Milliseconds until the lease runs out, and until the fault is over by itself. */
export interface TimeLeft { leaseMs: number; durationMs: number }

export interface FaultRecord {
  entry: JournalEntry
  remainingMs: number
  /** Changes with every renewal. */
  version: string
  reverted: Reverted | undefined
}

export const recordsNamespace = 'faultline-system'
export const recordLabel = 'faultline.dev/record'
const note = (name: string) => `faultline.dev/${name}`
const nameOf = (id: string) => `fault-${id}`

export function faultRecords({ coordination, mergePatch, now }: Kubernetes, holder: string): FaultRecords {
  const at = (id: string) => ({ namespace: recordsNamespace, name: nameOf(id) })
  /** A Lease counts in whole seconds, faultline in milliseconds. */
  const leaseOf = ({ leaseMs, durationMs }: TimeLeft) => ({ renewTime: now(), leaseDurationSeconds: Math.max(1, Math.ceil(Math.min(leaseMs, durationMs) / 1_000)) })
  const patch = (id: string, body: object) => coordination.patchNamespacedLease({ ...at(id), body }, mergePatch)
  return {
    async open(entry, left) {
      await ask(`the record of ${entry.fault}`, coordination.createNamespacedLease({ namespace: recordsNamespace, body: {
        metadata: {
          name: nameOf(entry.id), labels: { [recordLabel]: 'fault', 'app.kubernetes.io/part-of': 'faultline' },
          annotations: { [note('entry')]: JSON.stringify(entry), ...timesOf(left) },
        },
        spec: { holderIdentity: holder, ...leaseOf(left) },
      } }))
    },
    async renew(id, left) {
      try {
        const renewed = await patch(id, { metadata: { annotations: timesOf(left) }, spec: leaseOf(left) })
        return renewed.metadata?.annotations?.[note('reverted')] === undefined ? 'renewed' : 'lapsed'
      } catch (error) {
        if (codeOf(error) === 404) return 'lapsed'
        throw error
      }
    },
    async all() {
      const { items } = await ask('the records of faults', coordination.listNamespacedLease({ namespace: recordsNamespace, labelSelector: `${recordLabel}=fault` }))
      return items.flatMap(lease => parseRecord(lease) ?? [])
    },
    async read(id) {
      try {
        return parseRecord(await coordination.readNamespacedLease(at(id)))
      } catch (error) {
        if (codeOf(error) === 404) return undefined
        throw error
      }
    },
    async markReverted(id, reverted) {
      await unlessMissing(patch(id, { metadata: { annotations: { [note('reverted')]: JSON.stringify(reverted) } } }))
    },
    async remove(id) {
      await coordination.deleteNamespacedLease(at(id)).catch((error: unknown) => {
        if (codeOf(error) !== 404) throw error
      })
    },
  }
}

/** Undefined when it is no record of this version. Pure. */
export function parseRecord({ metadata }: V1Lease): FaultRecord | undefined {
  const annotations = metadata?.annotations ?? {}
  const [entry, remaining, reverted] = ['entry', 'remaining-ms', 'reverted'].map(name => annotations[note(name)])
  if (entry === undefined || remaining === undefined) return undefined
  try {
    return {
      entry: JSON.parse(entry) as JournalEntry, // only the API-side agent may write these, and wrote it so
      remainingMs: Number(remaining), version: metadata?.resourceVersion ?? '',
      reverted: reverted === undefined ? undefined : JSON.parse(reverted) as Reverted,
    }
  } catch {
    return undefined
  }
}

/**
 * Until a record is written and seen, some of its time has passed, and a restorer counts from then. Where that takes less, it comes a little before the
 * agent's lease is over, which is no harm: nobody has renewed it. A fault that is over is ended by its agent, and by a restorer only when that has
 * not done so: were it first, the agent's last renewal would find its fault gone.
 */
const writingMs = 300
const agentsTurnMs = 500

/** After which time a restorer ends the fault, counted from when it sees this. Pure. */
export const restoredAfterMs = ({ leaseMs, durationMs }: TimeLeft): number => Math.max(0, Math.round(Math.min(leaseMs - writingMs, durationMs + agentsTurnMs)))
const timesOf = (left: TimeLeft) => ({ [note('remaining-ms')]: String(restoredAfterMs(left)) })
