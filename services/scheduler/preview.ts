import type { BlastRadius } from '#shared/blast-radius.ts'
import type { Bus } from '#shared/bus.ts'
import type { PlannedTarget, ResolvedTarget } from '#shared/commands.ts'
import { messageOf } from '#shared/errors.ts'
import { experimentSchema, type ExperimentFault } from '#shared/experiment.ts'
import type { FaultPreview } from '#shared/fault-preview.ts'

export interface PreviewOptions {
  bus: Bus
  /** Name of the agent that may use the Kubernetes API. */
  apiSideAgent: string
  /** Agents that are alive and can do this kind. */
  ableAgents(kind: string): Promise<readonly { node: string }[]>
}

interface Limits { blastRadius: BlastRadius }

/** In place of a run's name, which decides whom a fault picks. */
const noRun = 'plan'

/** Asks the agents what a run of the experiment would do now. Changes nothing. Throws zod's error for a document that is no experiment. */
export async function previewExperiment(options: PreviewOptions, document: unknown): Promise<FaultPreview[]> {
  const { faults, blastRadius } = experimentSchema.parse(document)
  const written = (document as { faults: unknown[] }).faults
  return Promise.all(faults.map((fault, index) => previewFault({ ...options, blastRadius }, fault, written[index])))
}

async function previewFault(options: PreviewOptions & Limits, fault: ExperimentFault, item: unknown): Promise<FaultPreview> {
  const nothing = { fault: fault.id, takes: 0, candidates: [], peers: [] }
  try {
    return await (fault.target.process ? previewProcesses(options, fault, item) : previewResolved(options, fault, item))
  } catch (error) {
    return { ...nothing, refusals: [{ target: null, why: messageOf(error), certain: true }] } // an agent that does not answer would not inject either
  }
}

/** The agents of the machines look for themselves; each takes what it picks. */
async function previewProcesses({ bus, ableAgents, blastRadius }: PreviewOptions & Limits, { id, kind }: ExperimentFault, item: unknown): Promise<FaultPreview> {
  const plans = await Promise.all((await ableAgents(kind)).map(async ({ node }) => ({ node, plan: await bus.request('plan', node, { run: noRun, fault: id, item, blastRadius }, { timeoutMs: 5_000 }) })))
  const candidates = plans.flatMap(({ node, plan }) => plan.outcome === 'done' ? plan.targets.map(target => ({ ...target, agent: node })) : [])
  const whys = plans.flatMap(({ node, plan }) => plan.outcome === 'refused' ? [`${node}: ${plan.why}`] : [])
  return {
    fault: id, takes: candidates.length, candidates, peers: [],
    refusals: candidates.length > 0 ? [] : [{ target: null, certain: true, why: whys.join('; ') || `no agent that is alive can do ${kind}` }],
  }
}

/** The API-side agent finds all that the fault may pick; who is to act on each says how. */
async function previewResolved(options: PreviewOptions & Limits, { id, kind }: ExperimentFault, item: unknown): Promise<FaultPreview> {
  const resolve = (asked: unknown) => options.bus.request('resolve', options.apiSideAgent, { run: noRun, fault: id, item: asked, blastRadius: options.blastRadius }, { timeoutMs: 10_000 })
  const resolved = await resolve(item)
  if (resolved.outcome === 'refused') return { fault: id, takes: 0, candidates: [], peers: [], refusals: [{ target: null, why: resolved.why, certain: true }] }
  const everyone = await resolve(pickingAll(item)) // may be refused where the fault is not: a cap counts targets
  const { found, asked } = everyone.outcome === 'done' ? { found: everyone.targets, asked: pickingAll(item) } : { found: resolved.targets, asked: item }
  const able = new Set((await options.ableAgents(kind)).map(({ node }) => node))
  const planned = await Promise.all(found.map(target => planFor(options, able, { id, kind, item: asked, peers: resolved.peers }, target)))
  const refused = planned.filter(({ why }) => why !== undefined).length
  const takes = resolved.targets.length
  return {
    fault: id, takes, peers: resolved.peers, candidates: planned.map(({ candidate }) => candidate),
    refusals: planned.flatMap(({ candidate, why }) => why === undefined ? [] : [{ target: candidate.target.id, why, certain: takes > planned.length - refused }]),
  }
}

interface Resolved { id: string; kind: string; item: unknown; peers: string[] }

async function planFor({ bus, blastRadius }: PreviewOptions & Limits, able: ReadonlySet<string>, { id, kind, item, peers }: Resolved, { target, agent }: ResolvedTarget): Promise<{ candidate: FaultPreview['candidates'][number]; why?: string }> {
  const candidate = (steps: PlannedTarget['steps'] = []) => ({ target, agent, steps })
  if (!able.has(agent)) return { candidate: candidate(), why: `no agent ${agent} that is alive can do ${kind}` }
  const plan = await bus.request('plan', agent, { run: noRun, fault: id, item, chosen: [target], peers, blastRadius }, { timeoutMs: 5_000 })
  if (plan.outcome === 'refused') return { candidate: candidate(), why: plan.why }
  return { candidate: candidate(plan.targets.find(planned => planned.target.id === target.id)?.steps) }
}

/** The fault as written, but that it picks all. A kind of target that knows no `pick` makes it one that is refused. */
function pickingAll(item: unknown): unknown {
  const { target, ...rest } = item as { target: Record<string, object> }
  return { ...rest, target: Object.fromEntries(Object.entries(target).map(([kind, named]) => [kind, { ...named, pick: 'all' }])) }
}
