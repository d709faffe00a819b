import { z } from 'zod'
import { FaultlineError } from '#shared/errors.ts'
import { targetSchemaOf, type PeerSide, type TargetKind, type TargetSpec } from '#shared/target.ts'
import { duration } from '#shared/units.ts'

/**
 * One thing done to a target and the thing that undoes it. `lease` says who ends it when nobody renews it any more:
 * `kernel` (an nftables timeout), `reverter` (a process started before the fault), `restorer` (pods that watch a record of the fault in the
 * Kubernetes API), `power-service` (which gives the power back by itself), `none` (done in an instant; nothing stays).
 *
 * `nft`: `rules` are chains of a table (of the family netdev unless it says inet), made for this fault alone in the target's network
 * namespace; each rule hangs on the set `leaseSet` of interface names, whose elements `leased` the kernel removes when their time is over.
 * `delay-queue`: an HTB root with netem below it on each leased device; the rules steer packets into it (`meta priority set`), under the lease.
 * `divert`: a program that serves in the target's network namespace, and rules that lead packets to it, under the lease. It says on which
 * ports it listens; the rules name them `$port0`, `$port1` and so on.
 * `burn-cpu`, `hold-memory`: with `inside`, in the cgroups of the target.
 *
 * On a pod, steps on the network are done once, in its network namespace; steps on processes to each of its containers, or to `container` alone.
 */
export type Step =
  | { do: 'kill'; signal: 'SIGKILL' | 'SIGTERM'; tree: boolean; container?: string; lease: 'none' }
  | { do: 'pause-tree'; container?: string; lease: 'reverter' }
  | ApiStep
  | { do: 'burn-cpu'; workers: number; loadPercent: number; inside?: true; container?: string; lease: 'reverter' }
  | { do: 'hold-memory'; size: MemorySize; container?: string; lease: 'reverter' }
  | LeasedRules & { do: 'nft' }
  | LeasedRules & { do: 'delay-queue'; delayMs: number; jitterMs: number; why: string }
  | LeasedRules & { do: 'divert'; to: Diversion; why: string }

export interface LeasedRules { family?: 'netdev' | 'inet'; rules: string; leaseSet: string; leased: string[]; lease: 'kernel' }

/** A number of bytes, or a share of the limit of the target's memory cgroup. */
export type MemorySize = { bytes: number } | { percentOfLimit: number }

/** What packets are led to. A route without a host leads to the target itself, at the address that the client had asked. */
export type Diversion =
  | { program: 'delay-proxy'; delayMs: number; jitterMs: number; routes: { host?: string; port: number }[] }
  | { program: 'dns-responder'; answer: 'servfail' | 'nxdomain'; servers: number }

/** What is done through the Kubernetes API, or by a service that the API-side agent asks. */
export type ApiStep =
  | { do: 'delete-pod'; gracePeriodSeconds: number | null; lease: 'none' }
  | { do: 'drain-node'; lease: 'restorer' }
  | { do: 'scale'; replicas: number; lease: 'restorer' }
  | { do: 'power-off'; lease: 'power-service' }
const apiSteps: readonly Step['do'][] = ['delete-pod', 'drain-node', 'scale', 'power-off'] satisfies ApiStep['do'][]
export const isApiStep = (step: Step): step is ApiStep => apiSteps.includes(step.do)

/** What the agent knows of the target before it acts. */
export interface FaultTarget {
  /** CPUs the target may run on. */
  cpuCount: number
  /** Network devices in the target's network namespace, loopback included. */
  devices: string[]
  /** Addresses (IPv4 or IPv6) of the other side, for a fault that has one: of its pods, and of the Services that lead to them. */
  peers: string[]
  /** TCP ports that are listened on in the target's network namespace. */
  listening: number[]
  /** Addresses of the name servers in the target's /etc/resolv.conf. */
  nameservers: string[]
  /** The kernel has the queues netem and htb. */
  canDelay: boolean
}

/** The plan of this kind can do nothing here; the text says why, and what would help. */
export class FaultImpossible extends FaultlineError {
  readonly code = 'fault_impossible'
}

/** What comes up during a fault joins it as a part of its own: `1-pod-pause.2` is the second part of `1-pod-pause`. Kinds have no dots. */
export const partOf = (fault: string, number: number): string => `${fault}.${number}`
export const faultOfPart = (part: string): string => part.replace(/\..*/, '')
export const isJoined = (part: string): boolean => part.includes('.')

/** Who does it: an agent for the processes of its machine, the agent on a pod's node, or the one that may use the Kubernetes API. */
export type Doer = 'local' | 'node' | 'cluster'

/** What only one fault at a time can have of a target. */
export type Alone = 'processes' | 'latency' | 'name resolution' | 'node' | 'replicas'

/** A fault as an experiment asks for it, bound to its kind's plan. */
export interface FaultSpec {
  kind: string
  target: TargetSpec
  atMs: number
  /** Undefined: done in an instant. */
  durationMs?: number
  /** The other side, whose addresses the plan is given. */
  peers?: PeerSide[]
  /** Pure. The steps are done in order and undone in reverse. */
  plan(target: FaultTarget): Step[]
}

/** One kind of fault: one file in `shared/faults/`, which names all of it. */
export interface FaultKind {
  kind: string
  /** One line for `faultline faults`. */
  summary: string
  /** What really happens, what it needs, what it does not do: Markdown for the catalogue. */
  documentation: string
  /** What it may be done to, and by whom. */
  targets: Readonly<Partial<Record<TargetKind, Doer>>>
  /**
   * Of two faults on one target at one time that name the same here, the second is refused, since the undo of one would undo the other too.
   * Left out: any number of them, beside any others.
   */
  alone?: Alone
  /** An instant fault has no duration; every other must state one. */
  duration: 'required' | 'none'
  /** False: its target stays available, only worse, so that PodDisruptionBudgets are not asked. */
  disruptive?: false
  /** The kind's own keys in an experiment, beside `kind`, `target`, `at` and `duration`. */
  parameters: z.ZodObject
  /** A whole item of an experiment's `faults`. */
  item: z.ZodType<FaultSpec> & z.core.$ZodTypeDiscriminable
}

const common = {
  at: duration().default(0).describe('Offset from the moment the load has reached its users (or from the run\'s start without load)'),
}
const required = { duration: duration({ minMs: 100 }).describe('The fault ends by itself this long after all of it was seen to be there, even if all of faultline is gone') }

/** Ties a parameter schema to a pure plan, so that `plan` takes checked parameters and nobody casts. */
export function defineFault<P extends z.ZodObject>(
  fault: Omit<FaultKind, 'parameters' | 'item'> & { parameters: P; peers?(parameters: z.output<P>): PeerSide[] | undefined; plan(parameters: z.output<P>, target: FaultTarget): Step[] },
): FaultKind {
  const { kind, summary, parameters } = fault
  const item = z.strictObject({
    kind: z.literal(kind).describe(summary),
    target: targetSchemaOf(Object.keys(fault.targets) as TargetKind[]),
    ...common,
    ...(fault.duration === 'required' ? required : {}),
    ...parameters.shape,
  }).transform((written): FaultSpec => {
    const { at: atMs, duration: durationMs, target, ...rest } = written as typeof written & { at: number; duration?: number; target: TargetSpec }
    const own = rest as z.output<P>
    const peers = fault.peers?.(own)
    return { kind, target, atMs, ...(durationMs !== undefined && { durationMs }), ...(peers && { peers }), plan: found => fault.plan(own, found) }
  })
  return { kind, summary, documentation: fault.documentation, targets: fault.targets, duration: fault.duration, ...(fault.alone && { alone: fault.alone }), ...(fault.disruptive === false && { disruptive: false }), parameters, item }
}
