import type { V1Lease } from '@kubernetes/client-node'
import type { JournalEntry, Reverted } from '../journal.ts'
import { ask, codeOf, type Kubernetes } from './kubernetes.ts'

/**
 * The journal of what is done through the Kubernetes API, in the API itself: it outlives the agent's pod and its node. A fault is one Lease
 * (coordination.k8s.io) in faultline's namespace. Whoever reads it knows what to undo, and counts its time from the moment at which it was seen to
 * change, as other users of Leases do: clocks of two machines are never compared.
 */
export interface FaultRecords {
  /** On record before the fault begins. */
  open(entry: JournalEntry, remainingMs: number): Promise<void>
  /** `lapsed`: a restorer has ended the fault, or the record is gone. */
  renew(id: string, remainingMs: number): Promise<'renewed' | 'lapsed'>
  all(): Promise<FaultRecord[]>
  /** Undefined when it is gone. */
  read(id: string): Promise<FaultRecord | undefined>
  markReverted(id: string, reverted: Reverted): Promise<void>
  remove(id: string): Promise<void>
}

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
  const leaseOf = (remainingMs: number) => ({ renewTime: now(), leaseDurationSeconds: Math.max(1, Math.ceil(remainingMs / 1_000)) })
  const patch = (id: string, body: object) => coordination.patchNamespacedLease({ ...at(id), body }, mergePatch)
  return {
    async open(entry, remainingMs) {
      await ask(`the record of ${entry.fault}`, coordination.createNamespacedLease({ namespace: recordsNamespace, body: {
        metadata: {
          name: nameOf(entry.id), labels: { [recordLabel]: 'fault', 'app.kubernetes.io/part-of': 'faultline' },
          annotations: { [note('entry')]: JSON.stringify(entry), ...timesOf(remainingMs) },
        },
        spec: { holderIdentity: holder, ...leaseOf(remainingMs) },
      } }))
    },
    async renew(id, remainingMs) {
      try {
        const renewed = await patch(id, { metadata: { annotations: timesOf(remainingMs) }, spec: leaseOf(remainingMs) })
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
      await patch(id, { metadata: { annotations: { [note('reverted')]: JSON.stringify(reverted) } } })
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
 * agent, which then finds it done.
 */
const writingMs = 300
const timesOf = (remainingMs: number) => ({ [note('remaining-ms')]: String(Math.max(0, Math.round(remainingMs - writingMs))) })
