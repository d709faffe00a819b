import type { z } from 'zod'
import type { BlastRadius } from '#shared/blast-radius.ts'
import type { Joining, PlannedTarget, ResolvedTarget } from '#shared/commands.ts'
import type { Doer, FaultSpec } from '#shared/fault.ts'
import type { ProcessId } from '#shared/process/process-table.ts'
import { faultKinds } from '#shared/registry.ts'
import type { BoundTarget } from '#shared/target.ts'
import type { TestedService } from '#shared/tested-service.ts'
import type { FaultRecords } from './cluster/fault-records.ts'
import { FaultRefused } from './fault-refused.ts'
import type { StepInHand } from './step-in-hand.ts'

/**
 * What an agent can touch, and how: the processes of its machine, the pods of its node, or what only the Kubernetes API can do. The agent
 * around it (core, journal, leases, reverters) is the same for all.
 */
export interface Driver {
  /** Names of the fault kinds that it can do. */
  readonly kinds: readonly string[]
  /** What would be done; changes nothing. `found`: what somebody else has resolved. Rejects with FaultRefused. */
  plan(request: PlanRequest): Promise<PlannedTarget[]>
  /** Finds the targets that agents elsewhere are to act on, and vouches for them. Only the API-side driver can. With `joining`: only what is to join that. */
  resolve?(request: ResolveRequest & { joining?: Joining | undefined }): Promise<{ targets: ResolvedTarget[]; peers: string[]; widens?: true }>
  /** The services of whoever has opted in. Only the API-side driver can. Rejects with FaultRefused. */
  discover?(): Promise<TestedService[]>
  /** The steps of exactly these targets, in order, ready to be done. Looks again for itself. Rejects with FaultRefused. */
  prepare(request: PrepareRequest): Promise<StepInHand[]>
  /**
   * Where the faults are recorded for those who end them when this agent cannot: pods of their own, which watch the records. Left out: a reverter
   * process is started for each.
   */
  readonly records?: FaultRecords
  /** Takes a reverter out of what would end it together with this agent. Rejects with FaultRefused. Left out: it is out already. */
  shelter?(reverter: ProcessId): Promise<void>
}

export interface ResolveRequest { spec: FaultSpec; run: string; blastRadius: BlastRadius }
export interface PlanRequest extends ResolveRequest { found?: { chosen: readonly BoundTarget[]; peers: readonly string[] } | undefined }

export interface PrepareRequest {
  spec: FaultSpec
  blastRadius: BlastRadius
  targets: readonly BoundTarget[]
  /** Addresses of the other side. */
  peers: readonly string[]
  /** Names the fault on this agent; part of the names of what it makes. */
  id: string
  /** By target id: the API-side driver's word that the target's namespace has opted in. */
  vouchers: Readonly<Record<string, string>>
}

export const kindsDoneBy = (doer: Doer): string[] => [...faultKinds.values()].filter(({ targets }) => Object.values(targets).includes(doer)).map(({ kind }) => kind)

/** Checks a fault as it was written, with the one schema of its kind. Throws FaultRefused. */
export function parseItem(item: unknown): FaultSpec {
  const kind = typeof item === 'object' && item !== null && 'kind' in item ? String(item.kind) : 'nothing'
  const known = faultKinds.get(kind)
  if (!known) throw new FaultRefused(`this agent has no fault kind ${kind}; it has ${[...faultKinds.keys()].join(', ')}`)
  const parsed = known.item.safeParse(item)
  if (!parsed.success) throw new FaultRefused(`the fault is not as ${kind} wants it: ${problems(parsed.error)}`)
  return parsed.data
}

const problems = ({ issues }: z.ZodError) => issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`).join('; ')
