import type { Logger } from 'pino'
import type { BlastRadius } from '#shared/blast-radius.ts'
import type { Bus, FactWriter } from '#shared/bus.ts'
import { clockId, type Clock } from '#shared/clock.ts'
import type { Joining } from '#shared/commands.ts'
import type { Epoch } from '#shared/events.ts'
import type { Experiment, ExperimentFault } from '#shared/experiment.ts'
import { faultOfPart, isJoined } from '#shared/fault.ts'
import { runFields } from '#shared/log.ts'
import type { BoundTarget } from '#shared/target.ts'
import { patience, type Effect } from './core.ts'
import type { KnownAgents } from './known-agents.ts'

export interface OrdersOptions {
  bus: Bus
  writer: FactWriter
  clock: Clock
  log: Logger
  agents: KnownAgents
  /** Name of the agent that may use the Kubernetes API. */
  apiSideAgent: string
  /** The experiment of the run as its author wrote it. */
  documentOf(run: string): unknown
  /** Throws NotLeading. */
  demandLead(): Epoch
  /** Whether anything of this run may begin now. */
  mayBegin(run: string): boolean
}

/** What is said to agents so that a fault comes about. */
export interface FaultOrders {
  /** Finds out who is to do it to what, then has each agent do it to exactly those. */
  inject(run: string, fault: ExperimentFault, experiment: Experiment): Promise<void>
  /** Has the agents do it also to what came up since. Who is refused is looked at again a second later, as long as the fault lasts. */
  join(run: string, effect: Effect & { effect: 'join' }, experiment: Experiment): Promise<void>
}

/** What one agent is to do it to. */
interface Order { agent: string; targets: BoundTarget[]; peers: string[]; vouchers: Record<string, string>; widens?: true | undefined }

/** What a fault is to be done to, or only what is to join it. */
interface Search { run: string; fault: ExperimentFault; blastRadius: BlastRadius; joining?: Joining }

/** An agent that gets an order later than this does not obey it. */
const orderGoodForMs = 5_000

/**
 * Whom a fault may have by now although no fact says so yet: its agents tell of it one by one. `knownFromMs`: by the monotonic clock; until then some of it may
 * have been ordered by the leader before, and nobody else knows to whom.
 */
interface Reach { run: string; targets: Set<string>; knownFromMs: number }

export function faultOrders({ bus, writer, clock, log, agents, apiSideAgent, documentOf, demandLead, mayBegin }: OrdersOptions): FaultOrders {
  const injecting = new Set<string>()
  const reaches = new Map<string, Reach>()

  /** Under this epoch; `knownFromMs` when there is none yet. */
  function reachOf(run: string, fault: string, { bucketCreatedMs, revision }: Epoch, knownFromMs: number): Reach {
    const key = `${bucketCreatedMs}/${revision}/${run}/${faultOfPart(fault)}`
    const reach = reaches.get(key) ?? { run, targets: new Set(), knownFromMs }
    reaches.set(key, reach)
    return reach
  }

  async function inject(run: string, fault: ExperimentFault, experiment: Experiment): Promise<void> {
    const { orders, why } = await (fault.target.process ? ordersByPlanning : ordersByResolving)({ run, fault, ...experiment })
    if (orders.length === 0) {
      await writer.write(run, 'run.aborting', { cause: 'refused', detail: `${fault.id}${why}`, atMs: clock.nowMs(), clock: clockId })
      return
    }
    await order(run, fault.id, orders, experiment)
  }

  async function join(run: string, { fault, part, joining, endsAtMs }: Effect & { effect: 'join' }, experiment: Experiment): Promise<void> {
    if (injecting.has(`${run}/${fault.id}`)) return // not all that it is done to is known yet
    const reach = reachOf(run, fault.id, demandLead(), clock.monotonicMs() + orderGoodForMs)
    if (clock.monotonicMs() < reach.knownFromMs) return
    const held = [...new Set([...joining.held, ...reach.targets])]
    const { orders, why } = await ordersByResolving({ run, fault, joining: { ...joining, held }, ...experiment })
    const leftMs = endsAtMs - clock.nowMs()
    if (orders.length === 0) log.debug({ ...runFields(run), fault: fault.id }, `nothing joins${why}`)
    else if (leftMs >= patience.joinMs / 2) await order(run, part, orders, experiment, leftMs)
  }

  async function order(run: string, fault: string, orders: readonly Order[], { leaseMs, blastRadius }: Experiment, leftMs?: number): Promise<void> {
    const item = writtenFault(run, fault)
    const epoch = demandLead() // finding them took a while, in which another may have come to lead, or the run have left its path
    if (!mayBegin(run)) return
    const reach = reachOf(run, fault, epoch, clock.monotonicMs())
    const deadlineMs = clock.nowMs() + orderGoodForMs
    await Promise.all(orders.map(async ({ agent, targets, peers, vouchers, widens }) => {
      for (const { id } of targets) reach.targets.add(id)
      const command = { run, fault, item, targets, peers, vouchers, widens, blastRadius, epoch, deadlineMs, leaseMs, leftMs }
      const reply = await bus.request('inject', agent, command, { timeoutMs: 10_000 })
      if (reply.outcome !== 'refused') return
      log.warn({ ...runFields(run), fault, node: agent }, `refused: ${reply.why}`)
      if (isJoined(fault)) for (const { id } of targets) reach.targets.delete(id) // looked at again; of a fault that is refused itself nothing joins
    }))
  }

  /** Processes: every agent that can do it is asked for its own. */
  async function ordersByPlanning({ run, fault, blastRadius }: Search): Promise<{ orders: Order[]; why: string }> {
    const item = writtenFault(run, fault.id)
    const able = await agents.able(fault.kind)
    if (able.length === 0) return { orders: [], why: noAgent(fault.kind) }
    const plans = await Promise.all(able.map(async ({ node }) => ({ node, plan: await bus.request('plan', node, { run, fault: fault.id, item, blastRadius }, { timeoutMs: 5_000 }) })))
    const refusals = plans.flatMap(({ node, plan }) => plan.outcome === 'refused' ? [`${node}: ${plan.why}`] : [])
    return {
      orders: plans.flatMap(({ node, plan }) => plan.outcome === 'done' && plan.targets.length > 0 ? [{ agent: node, targets: plan.targets.map(planned => planned.target), peers: [], vouchers: {} }] : []),
      why: ` has no target: ${refusals.join('; ') || 'nothing matches'}`,
    }
  }

  /** In Kubernetes: the API-side agent finds them, vouches for them, and says who is to act on each. */
  async function ordersByResolving({ run, fault, joining, blastRadius }: Search): Promise<{ orders: Order[]; why: string }> {
    const question = { run, fault: fault.id, item: writtenFault(run, fault.id), blastRadius, joining }
    const resolved = await bus.request('resolve', apiSideAgent, question, { timeoutMs: 10_000 })
    if (resolved.outcome === 'refused') return { orders: [], why: ` has no target: ${resolved.why}` }
    const able = new Set((await agents.able(fault.kind)).map(({ node }) => node))
    const unable = resolved.targets.find(({ agent }) => !able.has(agent))
    if (unable) return { orders: [], why: `: nobody can do it to ${unable.target.description}, since no agent ${unable.agent} that is alive can do ${fault.kind}` }
    return {
      orders: [...Map.groupBy(resolved.targets, ({ agent }) => agent)].map(([agent, found]) => ({
        agent, targets: found.map(({ target }) => target), peers: resolved.peers, widens: resolved.widens, vouchers: Object.fromEntries(found.map(({ target, voucher }) => [target.id, voucher])),
      })),
      why: ' has no target: nothing matches',
    }
  }

  const noAgent = (kind: string) => `: no agent that is alive can do ${kind}; alive: ${agents.names().join(', ') || 'none'}`

  /** The fault as the experiment's author wrote it: agents check it with the same schema again. */
  function writtenFault(run: string, id: string): unknown {
    const document = documentOf(run) as { faults: unknown[] } | undefined
    return document?.faults[Number(id.split('-')[0]) - 1]
  }

  return {
    async inject(run, fault, experiment) {
      const key = `${run}/${fault.id}`
      injecting.add(key)
      for (const [other, reach] of reaches) if (!mayBegin(reach.run)) reaches.delete(other)
      await inject(run, fault, experiment).finally(() => injecting.delete(key))
    },
    join,
  }
}
