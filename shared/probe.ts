import type { z } from 'zod'
import { dnsLabel } from '#shared/units.ts'

/**
 * How one attempt of a probe is made, as data; a driver in `services/prober/` does it. With a ledger an attempt is a write under an id of
 * its own, and after the recovery every acknowledged id is looked for.
 */
export type ProbePlan =
  | { by: 'tcp' }
  | { by: 'http'; read: { path: string } }
  | { by: 'http'; write: { method: 'PUT' | 'POST'; path: string; body?: string }; read: { path: string } }
  | { by: 'postgres'; ledger: boolean }
  /** `replicas`: how many must have a write before it counts as acknowledged; 0: the master's word is enough. */
  | { by: 'redis'; ledger: boolean; replicas: number }

/** A probe as an experiment asks for it. */
export interface ProbeSpec {
  name: string
  kind: string
  /** A name that the prober knows from its own settings. An experiment never says where that is. */
  endpoint: string
  intervalMs: number
  timeoutMs: number
  /** What an attempt is, in words. */
  description: string
  plan: ProbePlan
  keepsLedger: boolean
}

/** One kind of probe: one file in `shared/probes/`, which names all of it but the driver's I/O. */
export interface ProbeKind {
  /** The key in the experiment file: `postgres`. */
  kind: string
  summary: string
  /** What is attempted, what counts as acknowledged, what the endpoint must be: Markdown for the catalogue. */
  documentation: string
  /** What the operator writes as an endpoint of this kind. */
  endpointExample: string
  parameters: z.ZodObject
  /** The value under the probe's key: checked, and bound to its plan. */
  bound: z.ZodType<BoundProbe>
}

export interface BoundProbe { endpoint: string; plan: ProbePlan; description: string }

export const endpointName = () => dnsLabel().describe('Name of an endpoint that the prober\'s operator has set; never an address')

/** Ties a parameter schema to a plan, so that `plan` takes checked parameters and nobody casts. `describe` says it in words. */
export function defineProbe<P extends z.ZodObject<{ endpoint: z.ZodString }>>(
  probe: Omit<ProbeKind, 'parameters' | 'bound'> & { parameters: P; plan(parameters: z.output<P>): ProbePlan; describe(parameters: z.output<P>): string },
): ProbeKind {
  const { plan, describe, ...rest } = probe
  const bound = probe.parameters.transform((parameters): BoundProbe => ({ endpoint: parameters.endpoint, plan: plan(parameters), description: describe(parameters) }))
  return { ...rest, bound }
}

export const keepsLedger = (plan: ProbePlan): boolean => plan.by === 'http' ? 'write' in plan : plan.by !== 'tcp' && plan.ledger

/** What all probers that count have seen of one probe: what a gate on it is held against. */
export interface ProbeFigures {
  attempts: number
  failures: number
  /** Longest time from a failed slot, after the first injection, until the probe was steady again; 0 when none failed. */
  recoveryTimeMs: number
  /** False: at the end of the run it was not steady again, and `recoveryTimeMs` is what had passed by then. */
  steady: boolean
  /** Undefined: the probe keeps none, or none came. */
  ledger?: { acknowledged: number; missing: number; unread: number }
  /** Age of the oldest acknowledged write that is missing, when the next slot after it failed; 0 when none is missing. */
  rpoMs: number
  /** Why nothing that was not seen may be taken for good: no prober that counts looked, or its ledger never came. */
  blind?: string
  ledgerBlind?: string
}

export interface ProbeOutcome {
  verdict: 'passed' | 'failed' | 'inconclusive'
  value: number | null
  evidence: string
}
