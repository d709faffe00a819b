import type { Logger } from 'pino'
import type { BlastRadius } from '#shared/blast-radius.ts'
import type { Bus, FactWriter } from '#shared/bus.ts'
import { clockId, type Clock } from '#shared/clock.ts'
import type { Joining } from '#shared/commands.ts'
import type { Epoch } from '#shared/epoch.ts'
import type { Experiment, ExperimentFault } from '#shared/experiment.ts'
import { isJoined } from '#shared/fault.ts'
import { runFields } from '#shared/log.ts'
import type { BoundTarget } from '#shared/target.ts'
import { patience, type Effect } from './core.ts'
import type { KnownAgents } from './known-agents.ts'

export interface OrdersOptions {
  bus: Pick<Bus, 'request'>
  writer: FactWriter
  clock: Clock
  log: Logger
  agents: Pick<KnownAgents, 'able' | 'names'>
  /** Name of the agent that may use the Kubernetes API. */
  apiSideAgent: string
  /** The experiment of the run as its author wrote it. */
  documentOf(run: string): unknown
  /** Throws NotLeading; given an epoch, also when this scheduler leads under another one by now. */
  demandLead(epoch?: Epoch): Epoch
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

/** Which targets one agent is told to do the fault to. */
interface Order { agent: string; targets: BoundTarget[]; peers: string[]; vouchers: Record<string, string>; widens?: true | undefined }

/** A search for the targets of a fault or, with `joining`, only for those that have come up since. */
interface Search { run: string; fault: ExperimentFault; blastRadius: BlastRadius; joining?: Joining }

/** An agent that gets an order later than this after it was made does not obey it. */
const orderGoodForMs = 5_000

/** Orders for a fault or for a part that joins it. `targets`: those of the fault's standing, which sending adds to. `leftMs`: for a part, what is left of the fault's duration. */
interface Ordering { run: string; fault: string; orders: readonly Order[]; targets: Set<string>; epoch: Epoch; leftMs?: number }

/**
 * What this scheduler knows, as the leader of one epoch, of the orders for a fault. Another epoch begins with nothing: another scheduler may have led in between.
 *
 *   (nothing) --inject--> ordering --its agents have answered, or one has not in its time--> ordered
 *       |                    '--nobody was told--> (nothing)                                    ^
 *       '--look for what joins it--> inherited --no order of an earlier leader is good any more--'
 *
 * `targets`: what the fault may have been done to by now although no fact says so yet, since agents tell of it one by one. A target counts from before its order is
 * sent until the agent refuses it: an order whose answer is lost may have been obeyed.
 * `knownFromMs` (monotonic clock): nobody knows what an earlier leader has ordered; from then on each such order was obeyed, or never will be.
 */
type Standing = { run: string } & (
  | { at: 'ordering' | 'ordered'; targets: Set<string> }
  | { at: 'inherited'; knownFromMs: number }
)

const keyOf = ({ bucketCreatedMs, revision }: Epoch, run: string, fault: string): string => `${bucketCreatedMs}/${revision}/${run}/${fault}`

export function faultOrders({ bus, writer, clock, log, agents, apiSideAgent, documentOf, demandLead, mayBegin }: OrdersOptions): FaultOrders {
  const standings = new Map<string, Standing>()

  async function inject(run: string, fault: ExperimentFault, experiment: Experiment): Promise<void> {
    for (const [other, standing] of standings) if (!mayBegin(standing.run)) standings.delete(other)
    const epoch = demandLead()
    const key = keyOf(epoch, run, fault.id)
    const known = standings.get(key)
    const targets = known === undefined || known.at === 'inherited' ? new Set<string>() : known.targets // an earlier try may have been obeyed
    standings.set(key, { run, at: 'ordering', targets })
    try {
      const { orders, why } = await (fault.target.process ? ordersByPlanning : ordersByResolving)({ run, fault, ...experiment })
      if (!mayOrder(run, epoch)) return
      if (orders.length === 0) {
        await writer.write(run, 'run.aborting', { cause: 'refused', detail: `${fault.id}${why}`, atMs: clock.nowMs(), clock: clockId })
        return
      }
      await writer.write(run, 'fault.ordered', { fault: fault.id, kind: fault.kind, nodes: orders.map(({ agent }) => agent), epoch, atMs: clock.nowMs() })
      await order({ run, fault: fault.id, orders, targets, epoch }, experiment)
    } finally {
      if (targets.size > 0) standings.set(key, { run, at: 'ordered', targets })
      else standings.delete(key)
    }
  }

  async function join(run: string, { fault, part, joining, endsAtMs }: Effect & { effect: 'join' }, experiment: Experiment): Promise<void> {
    const epoch = demandLead()
    const standing = standingNow(epoch, run, fault.id)
    if (standing.at !== 'ordered') return
    const held = [...new Set([...joining.held, ...standing.targets])]
    const { orders, why } = await ordersByResolving({ run, fault, joining: { ...joining, held }, ...experiment })
    const leftMs = endsAtMs - clock.nowMs()
    if (orders.length === 0) log.debug({ ...runFields(run), fault: fault.id }, `nothing joins${why}`)
    else if (leftMs >= patience.joinMs / 2) await order({ run, fault: part, orders, targets: standing.targets, epoch, leftMs }, experiment)
  }

  /** To be asked after each wait for targets or for a write. Meanwhile another scheduler may have led, and ordered other targets; or the run has left its path. */
  function mayOrder(run: string, epoch: Epoch): boolean {
    demandLead(epoch)
    return mayBegin(run)
  }

  /** The standing of a fault that agents tell of: if it was not ordered under this epoch, an earlier leader has ordered it. */
  function standingNow(epoch: Epoch, run: string, fault: string): Standing {
    const key = keyOf(epoch, run, fault)
    const nowMs = clock.monotonicMs()
    const known: Standing = standings.get(key) ?? { run, at: 'inherited', knownFromMs: nowMs + orderGoodForMs }
    const standing: Standing = known.at === 'inherited' && nowMs >= known.knownFromMs ? { run, at: 'ordered', targets: new Set() } : known
    standings.set(key, standing)
    return standing
  }

  async function order({ run, fault, orders, targets: ordered, epoch, leftMs }: Ordering, { leaseMs, blastRadius }: Experiment): Promise<void> {
    if (!mayOrder(run, epoch)) return
    const item = writtenFault(run, fault)
    const deadlineMs = clock.nowMs() + orderGoodForMs
    await Promise.all(orders.map(async ({ agent, targets, peers, vouchers, widens }) => {
      const added = targets.map(({ id }) => id).filter(id => !ordered.has(id)) // what is widened was ordered before, and stays whatever comes of this
      for (const id of added) ordered.add(id)
      const command = { run, fault, item, targets, peers, vouchers, widens, blastRadius, epoch, deadlineMs, leaseMs, leftMs }
      const reply = await bus.request('inject', agent, command, { timeoutMs: 10_000 })
      if (reply.outcome !== 'refused') return
      log.warn({ ...runFields(run), fault, node: agent }, `refused: ${reply.why}`)
      if (isJoined(fault)) for (const id of added) ordered.delete(id) // looked at again; of a fault that is refused itself nothing joins
    }))
  }

  /** Processes: every agent that can do it is asked for its own. */
  async function ordersByPlanning({ run, fault, blastRadius }: Search): Promise<{ orders: Order[]; why: string }> {
    const item = writtenFault(run, fault.id)
    const able = await agents.able(fault.kind)
    if (able.length === 0) return { orders: [], why: `: no agent that is alive can do ${fault.kind}; alive: ${agents.names().join(', ') || 'none'}` }
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
    const able = new Set((await agents.able(fault.kind, resolved.targets.map(({ agent }) => agent))).map(({ node }) => node))
    const unable = resolved.targets.find(({ agent }) => !able.has(agent))
    if (unable) return { orders: [], why: `: nobody can do it to ${unable.target.description}, since no agent ${unable.agent} that is alive can do ${fault.kind}` }
    return {
      orders: [...Map.groupBy(resolved.targets, ({ agent }) => agent)].map(([agent, found]) => ({
        agent, targets: found.map(({ target }) => target), peers: resolved.peers, widens: resolved.widens, vouchers: Object.fromEntries(found.map(({ target, voucher }) => [target.id, voucher])),
      })),
      why: ' has no target: nothing matches',
    }
  }

  /** The fault as the experiment's author wrote it: agents check it with the same schema again. */
  function writtenFault(run: string, id: string): unknown {
    const document = documentOf(run) as { faults: unknown[] } | undefined
    return document?.faults[Number(id.split('-')[0]) - 1]
  }

  return { inject, join }
}
