import type { BlastRadius } from '#shared/blast-radius.ts'
import type { Clock } from '#shared/clock.ts'
import type { Joining, PlannedTarget, ResolvedTarget } from '#shared/commands.ts'
import { isApiStep, type ApiStep, type Doer, type FaultSpec, type FaultTarget } from '#shared/fault.ts'
import { faultKinds } from '#shared/registry.ts'
import { isNode, isPod, isProcess, isWorkload, targetKindOf, type BoundTarget, type WorkloadTarget } from '#shared/target.ts'
import { distinctServices, type TestedService } from '#shared/tested-service.ts'
import { addressesOf } from './cluster/addresses.ts'
import { demandBudgets, disruptedBy, type Disrupted } from './cluster/budgets.ts'
import { describeDrain, prepareDrain } from './cluster/drain.ts'
import { faultRecords } from './cluster/fault-records.ts'
import { ask, isRunning } from './cluster/kubernetes.ts'
import { findNodes } from './cluster/node-targets.ts'
import { demandOptIn } from './cluster/opt-in.ts'
import { describeDeletion, prepareDeletion } from './cluster/pod-deletion.ts'
import { findHeldPods, findJoiningPods, findPods } from './cluster/pod-targets.ts'
import { describePower, preparePowerOff, type PowerService } from './cluster/power.ts'
import { describeScale, findWorkload, prepareScale } from './cluster/scale.ts'
import { discoverServices, serviceOf } from './cluster/tested-services.ts'
import { kindsDoneBy, type Driver } from './driver.ts'
import { FaultRefused } from './fault-refused.ts'
import { refusedNamespaces } from './node-driver.ts'
import { resolvePods, type ResolverWorld } from './pod-resolver.ts'
import type { StepInHand } from './step-in-hand.ts'
import type { VoucherIssuer } from './voucher.ts'

export interface ClusterDriverOptions {
  world: ResolverWorld
  power: PowerService | undefined
  vouchers: VoucherIssuer
  /** Name of this agent, to which what only the API can do is addressed. */
  agent: string
  clock: Clock
}

const voucherMs = 60_000
/** The plans of what is done through the API look at nothing. */
const nothingSeen: FaultTarget = { cpuCount: 0, devices: [], peers: [], listening: [], nameservers: [], canDelay: false }

/** What only the Kubernetes API can do: find targets and vouch for their opt-in, delete, drain, scale, and have the power cut. */
export function clusterDriver({ world, power, vouchers, agent, clock }: ClusterDriverOptions): Driver {
  const { kubernetes } = world

  async function find({ target }: FaultSpec, run: string, blastRadius: BlastRadius): Promise<BoundTarget[]> {
    if (target.pods) return findPods(target.pods, run, blastRadius, world)
    if (target.nodes) return findNodes(target.nodes, run, blastRadius, world)
    if (target.workload) return [{ ...await findWorkload(kubernetes, target.workload), services: await servicesOfWorkload(target.workload) }]
    throw new FaultRefused('the API-side agent knows no processes; they are for the agent of a machine')
  }

  async function servicesOfWorkload({ namespace, kind, name }: WorkloadTarget): Promise<TestedService[]> {
    return distinctServices((await resolvePods({ owner: { kind, name } }, namespace, world)).filter(isRunning).map(serviceOf))
  }

  /** Pods that are to join the fault; or, when none is, those that have it, if somebody came up on the other side. */
  async function resolveJoining(spec: FaultSpec, run: string, blastRadius: BlastRadius, joining: Joining): Promise<{ targets: ResolvedTarget[]; peers: string[]; widens?: true }> {
    const { kind, target: { pods } } = spec
    if (!pods) throw new FaultRefused(`${kind} is done to no pods; nothing else comes up during a fault and joins it`)
    const peers = await peersOf(spec)
    const found = await findJoiningPods(pods, joining, run, blastRadius, world)
    await demandWithinBudgets(spec, found, blastRadius)
    if (found.length > 0) return { targets: vouchFor(spec, found), peers }
    const since = faultKinds.get(kind)?.alone === undefined ? peers.filter(address => !joining.peers.includes(address)) : []
    return since.length === 0 ? { targets: [], peers: [] } : { targets: vouchFor(spec, await findHeldPods(pods, joining, world)), peers: since, widens: true }
  }

  const peersOf = async ({ peers, target }: FaultSpec) => peers ? addressesOf(world, peers, target.pods?.namespace ?? '') : []

  function vouchFor(spec: FaultSpec, found: readonly BoundTarget[]): ResolvedTarget[] {
    const doer = doerOf(spec)
    return found.map(target => ({ target, agent: doer === 'cluster' ? agent : nodeOf(target), voucher: vouchers.issue(target, clock.nowMs() + voucherMs) }))
  }

  /** Throws FaultRefused where a fault would take more pods from a budget than it allows. */
  async function demandWithinBudgets({ kind }: FaultSpec, targets: readonly BoundTarget[], { disruptionBudgets }: BlastRadius): Promise<void> {
    if (disruptionBudgets === 'ignore' || faultKinds.get(kind)?.disruptive === false) return
    const onNodes = await Promise.all(targets.filter(isNode).map(({ node }) => podsOn(node.name)))
    await demandBudgets(kubernetes, [...await disruptedBy(kubernetes, targets.filter(isPod)), ...onNodes.flat()])
  }

  async function podsOn(node: string): Promise<Disrupted[]> {
    const { items } = await ask(`pods on ${node}`, kubernetes.core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${node}` }))
    return items.filter(isRunning).filter(({ metadata }) => !refusedNamespaces.includes(metadata?.namespace ?? ''))
      .map(({ metadata }) => ({ namespace: metadata?.namespace ?? '', labels: metadata?.labels ?? {} }))
  }

  async function describe(step: ApiStep, target: BoundTarget, { disruptionBudgets }: BlastRadius): Promise<PlannedTarget['steps'][number]> {
    if (step.do === 'delete-pod' && isPod(target)) return describeDeletion(step, target, disruptionBudgets)
    if (step.do === 'drain-node' && isNode(target)) return describeDrain(target, disruptionBudgets)
    if (step.do === 'power-off' && isNode(target)) return describePower(target)
    if (step.do === 'scale' && isWorkload(target)) return describeScale(kubernetes, step.replicas, target)
    throw new FaultRefused(`${step.do} cannot be done to ${target.id}`)
  }

  async function prepareOne(step: ApiStep, target: BoundTarget, { disruptionBudgets }: BlastRadius, id: string): Promise<StepInHand> {
    if (step.do === 'delete-pod' && isPod(target)) return prepareDeletion(kubernetes, step, target, disruptionBudgets)
    if (step.do === 'drain-node' && isNode(target)) return prepareDrain(kubernetes, target, disruptionBudgets, id)
    if (step.do === 'power-off' && isNode(target)) return preparePowerOff(kubernetes, power, target, id)
    if (step.do === 'scale' && isWorkload(target)) return prepareScale(kubernetes, step.replicas, target)
    throw new FaultRefused(`${step.do} cannot be done to ${target.id}`)
  }

  return {
    kinds: kindsDoneBy('cluster'),
    records: faultRecords(kubernetes, agent),
    async plan({ spec, run, blastRadius, found }) {
      const targets = found?.chosen ?? await find(spec, run, blastRadius)
      return Promise.all(targets.map(async target => ({ target, steps: await Promise.all(stepsOf(spec).map(step => describe(step, target, blastRadius))) })))
    },
    async resolve({ spec, run, blastRadius, joining }) {
      if (joining) return resolveJoining(spec, run, blastRadius, joining)
      const found = await find(spec, run, blastRadius)
      await demandWithinBudgets(spec, found, blastRadius)
      return { targets: vouchFor(spec, found), peers: await peersOf(spec) }
    },
    discover: () => discoverServices(kubernetes),
    async prepare({ spec, targets, blastRadius, id }) {
      for (const namespace of new Set(targets.flatMap(namespaceOf))) await demandOptIn(kubernetes, namespace)
      await demandWithinBudgets(spec, targets, blastRadius)
      return Promise.all(targets.flatMap(target => stepsOf(spec).map(step => prepareOne(step, target, blastRadius, id))))
    },
  }
}

const doerOf = ({ kind, target }: FaultSpec): Doer | undefined => faultKinds.get(kind)?.targets[targetKindOf(target)]

function nodeOf(target: BoundTarget): string {
  if (isPod(target)) return target.pod.node
  if (isNode(target)) return target.node.name
  throw new FaultRefused(`${target.id} is on no node`)
}

function namespaceOf(target: BoundTarget): string[] {
  if (isProcess(target)) throw new FaultRefused(`${target.id} is a process; the API-side agent touches none`)
  return isPod(target) ? [target.pod.namespace] : isWorkload(target) ? [target.workload.namespace] : []
}

function stepsOf(spec: FaultSpec): ApiStep[] {
  if (doerOf(spec) !== 'cluster') throw new FaultRefused(`${spec.kind} is done on the node, not through the API`)
  return spec.plan(nothingSeen).map(step => {
    if (!isApiStep(step)) throw new FaultRefused(`${spec.kind} is done on the node, not through the API`)
    return step
  })
}
