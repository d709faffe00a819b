import { z } from 'zod'
import { blastRadius } from '#shared/blast-radius.ts'
import { epochSchema } from '#shared/epoch.ts'
import type { Service } from '#shared/events.ts'
import { mostSightings } from '#shared/halt-sightings.ts'
import { boundTargetSchema } from '#shared/target.ts'
import { testedServiceSchema } from '#shared/tested-service.ts'

/**
 * Commands (NATS requests, signed, those that begin something with a nonce) and signals (core NATS, may be lost). The other half of the catalogue in events.ts.
 * Only `inject`, `load-start` and `heartbeat` can be too late or too old, or have come before; `revert`, `abort` and `load-stop` with a valid signature are always obeyed.
 */

const epochMs = () => z.number().int().nonnegative().max(8_640_000_000_000_000)
const run = z.string().min(1).max(120)
const limits = blastRadius.optional().describe('of the experiment; the usual one when left out')
const widens = (says: string) => z.literal(true).optional().describe(says)
const reply = <T extends z.ZodRawShape>(shape: T) => z.discriminatedUnion('outcome', [
  z.strictObject({ outcome: z.literal('done'), ...shape }),
  z.strictObject({ outcome: z.literal('refused'), why: z.string() }),
])

/** One target as `plan` shows it: exactly what would be done, and exactly what would undo it. */
export const plannedTargetSchema = z.strictObject({
  target: boundTargetSchema,
  steps: z.array(z.strictObject({ act: z.string(), undo: z.string(), lease: z.enum(['kernel', 'reverter', 'restorer', 'power-service', 'none']) })),
})
export type PlannedTarget = z.output<typeof plannedTargetSchema>

/** A target that was found through the Kubernetes API. */
export const resolvedTargetSchema = z.strictObject({
  target: boundTargetSchema,
  agent: z.string().describe('who is to act on it: the agent of its node, or the API-side one'),
  voucher: z.string().describe('signed by the API-side agent: this target\'s namespace, or node, has opted in, until a date'),
})
export type ResolvedTarget = z.output<typeof resolvedTargetSchema>

/** A fault that lasts, to which more is to be done. */
export const joiningSchema = z.strictObject({
  held: z.array(z.string()).describe('ids of the targets that it was done to'),
  peers: z.array(z.string()).describe('addresses of the other side that it was done with'),
  sinceMs: epochMs().describe('when it began'),
})
export type Joining = z.output<typeof joiningSchema>

interface CommandDefinition {
  from: Service
  to: Service
  /** It begins something: it bears a nonce, and is obeyed once (command-stamp.ts). What changes nothing, or only ends something, is obeyed whenever it comes. */
  once: boolean
  doc: string
  data: z.ZodType
  reply: z.ZodType
}
const defineCommands = <T extends Record<string, CommandDefinition>>(commands: T): T => commands

export const commands = defineCommands({
  plan: {
    from: 'scheduler', to: 'injector', once: false,
    doc: 'Which targets of yours would this fault hit, by what steps? Changes nothing.',
    data: z.strictObject({
      run, fault: z.string(), item: z.unknown().describe('the fault as written in the experiment'),
      chosen: z.array(boundTargetSchema).optional().describe('plan for exactly these, which were resolved'),
      peers: z.array(z.string()).optional().describe('addresses of the other side, as resolved'),
      blastRadius: limits,
    }),
    reply: reply({ node: z.string(), targets: z.array(plannedTargetSchema) }),
  },
  resolve: {
    from: 'scheduler', to: 'injector', once: false,
    doc: 'Which targets does this fault name in Kubernetes, and who is to act on each? Asked of the API-side agent alone. Changes nothing.',
    data: z.strictObject({
      run, fault: z.string(), item: z.unknown(),
      joining: joiningSchema.optional().describe('only what is to join the fault is answered, maybe nothing'),
      blastRadius: limits,
    }),
    reply: reply({
      targets: z.array(resolvedTargetSchema),
      peers: z.array(z.string()).describe('addresses of the other side, for a fault that has one'),
      widens: widens('these are all held; the peers are those that came up since'),
    }),
  },
  discover: {
    from: 'scheduler', to: 'injector', once: false,
    doc: 'Which services are there in Kubernetes, of those that have opted in, and in which versions? Asked of the API-side agent alone. Changes nothing.',
    data: z.strictObject({}),
    reply: reply({ services: z.array(testedServiceSchema) }),
  },
  inject: {
    from: 'scheduler', to: 'injector', once: true,
    doc: 'Do it to exactly these targets. Answered when the fault is journaled and done; the facts fault.injected or fault.refused follow.',
    data: z.strictObject({
      run, fault: z.string(), item: z.unknown(), targets: z.array(boundTargetSchema).min(1),
      peers: z.array(z.string()).describe('addresses of the other side; empty for most faults'),
      vouchers: z.record(z.string(), z.string()).describe('by target id; empty for processes'),
      blastRadius: limits,
      leftMs: z.int().positive().optional().describe('what is left of the fault\'s duration, for a part that joins it'),
      widens: widens('the targets are held by the same fault, with other peers'),
      epoch: epochSchema, deadlineMs: epochMs(), leaseMs: z.int().positive(),
    }),
    reply: reply({}),
  },
  revert: {
    from: 'scheduler', to: 'injector', once: false,
    doc: 'End this fault now. Repeatable. The fact fault.reverted follows when the agent had it.',
    data: z.strictObject({ run, fault: z.string() }),
    reply: reply({ held: z.boolean() }),
  },
  'load-start': {
    from: 'scheduler', to: 'locust-bridge', once: true,
    doc: 'Start the load of this run. load.state facts follow.',
    data: z.strictObject({ run, epoch: epochSchema, deadlineMs: epochMs() }),
    reply: reply({}),
  },
  'load-stop': {
    from: 'scheduler', to: 'locust-bridge', once: false,
    doc: 'Stop the load of this run. Repeatable.',
    data: z.strictObject({ run }),
    reply: reply({}),
  },
})
export type CommandName = keyof typeof commands
export type Command<C extends CommandName> = z.output<(typeof commands)[C]['data']>
export type Reply<C extends CommandName> = z.output<(typeof commands)[C]['reply']>

interface SignalDefinition {
  from: Service
  to: Service
  /** What the last word of its subject names. */
  about: 'run' | 'node'
  doc: string
  signed: boolean
  data: z.ZodType
}
const defineSignals = <T extends Record<string, SignalDefinition>>(signals: T): T => signals

/** Each is repeated by its sender. */
export const signals = defineSignals({
  heartbeat: {
    from: 'scheduler', to: 'injector', about: 'run', signed: true,
    doc: 'The run is alive: renew its leases. Every third of a lease. It renews nothing when it was sent no later than another of its run under its epoch, or more than ten seconds ago.',
    data: z.strictObject({ run, epoch: epochSchema, leaseMs: z.int().positive(), sentAtMs: epochMs() }),
  },
  abort: {
    from: 'scheduler', to: 'injector', about: 'run', signed: true,
    doc: 'Revert everything of this run, now. Every 100 ms until all agents that hold something have acknowledged.',
    data: z.strictObject({ run, sentAtMs: epochMs() }),
  },
  aborted: {
    from: 'injector', to: 'scheduler', about: 'node', signed: false,
    doc: 'The answer to abort: how many of the run\'s faults this agent still holds.',
    data: z.strictObject({ run, node: z.string(), holding: z.int().nonnegative() }),
  },
  halted: {
    from: 'injector', to: 'scheduler', about: 'node', signed: false,
    doc: 'The halts by a file that this agent has found since it started, the last ten, for the audit. Every second, and at once when there is another.',
    data: z.strictObject({
      node: z.string(), sentAtMs: epochMs(),
      halts: z.array(z.strictObject({ where: z.string().max(5_000), why: z.string().max(1_000), sinceMs: epochMs(), foundAtMs: epochMs(), goneAtMs: epochMs().optional() })).max(mostSightings),
    }),
  },
  agent: {
    from: 'injector', to: 'scheduler', about: 'node', signed: false,
    doc: 'An agent is here. Every second.',
    data: z.strictObject({ node: z.string(), kinds: z.array(z.string()), quarantined: z.array(z.string()), sentAtMs: epochMs() }),
  },
})
export type SignalName = keyof typeof signals
export type Signal<S extends SignalName> = z.output<(typeof signals)[S]['data']>

/** A node's name may hold dots, which would be several tokens. */
const token = (to: string) => to.replaceAll('.', '_')
export const commandSubject = (name: CommandName, to: string): string => `faultline.command.${name}.${token(to)}`
export const signalSubject = (name: SignalName, to: string): string => `faultline.signal.${name}.${token(to)}`
