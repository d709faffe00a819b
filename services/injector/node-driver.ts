import type { PlannedTarget } from '#shared/commands.ts'
import type { Clock } from '#shared/clock.ts'
import type { FaultSpec } from '#shared/fault.ts'
import type { Verify } from '#shared/signing-key.ts'
import { isNode, isPod, type BoundNode, type BoundPod, type BoundProcess, type BoundTarget } from '#shared/target.ts'
import { kindsDoneBy, type Driver } from './driver.ts'
import { FaultRefused } from './fault-refused.ts'
import { moveToHostCgroups } from './host-cgroup.ts'
import { confirmName, podProcesses, podSceneNow, type PodProcesses } from './pod-processes.ts'
import { describeOnNode, nodeSteps, prepareOnNode } from './node-network.ts'
import { describe, prepareStep, prepareWhileThere, stepsFor, type ProcessStep } from './process-steps.ts'
import type { StepInHand } from './step-in-hand.ts'
import { checkVoucher } from './voucher.ts'

export interface NodeDriverOptions {
  /** Name of the Kubernetes node that this agent is on. */
  node: string
  /** Whether the API-side agent has signed it. */
  verifyVoucher: Verify
  /** The kubelet's folders, as this process sees them. */
  podLogsFolder: string
  containerLogsFolder: string
  clock: Clock
}

/** Namespaces that are never touched, whatever their labels say. */
export const refusedNamespaces: readonly string[] = ['kube-system', 'kube-public', 'kube-node-lease', 'faultline-system']

/** The pods of this node, and its network, for the agent of a DaemonSet: it has no access to the API, and acts only on pods that are vouched for. */
export function nodeDriver({ node, verifyVoucher, podLogsFolder, containerLogsFolder, clock }: NodeDriverOptions): Driver {
  const look = (target: BoundTarget): { pod: BoundPod; found: PodProcesses } => {
    const pod = demandPod(target, node)
    confirmName(pod, podLogsFolder)
    return { pod, found: podProcesses(pod, podSceneNow(containerLogsFolder)) }
  }
  return {
    kinds: kindsDoneBy('node'),
    async plan({ spec, found: { chosen, peers } = { chosen: [], peers: [] } }) {
      return chosen.map((target): PlannedTarget => {
        if (isNode(target)) {
          demandThisNode(target, node)
          return { target, steps: nodeSteps(spec, peers).map(describeOnNode) }
        }
        const { pod, found } = look(target)
        return { target: pod, steps: stepsOn(spec, pod, found, peers).flatMap((planned, index) => (
          prepareOne(planned, `plan${index}`).map(() => describe(planned.step, planned.process)))) } // throws where the inject would
      })
    },
    async prepare({ spec, targets, peers, id, vouchers }) {
      const onNode = targets.filter(isNode).flatMap(target => {
        demandThisNode(target, node)
        checkVoucher(vouchers[target.id], target, verifyVoucher, clock.nowMs())
        return nodeSteps(spec, peers).map((step, index) => prepareOnNode(step, `${id}_node${index}`))
      })
      const steps = targets.filter(target => !isNode(target)).flatMap(target => {
        const { pod, found } = look(target)
        checkVoucher(vouchers[pod.id], pod, verifyVoucher, clock.nowMs())
        return stepsOn(spec, pod, found, peers)
      })
      return [...onNode, ...steps.flatMap((planned, index) => prepareOne(planned, `${id}_${index}`))]
    },
    shelter: ({ pid }) => moveToHostCgroups(pid),
  }
}

function demandThisNode({ id, node: { name } }: BoundNode, node: string): void {
  if (name !== node) throw new FaultRefused(`${id} is ${name}; this agent is on ${node}`)
}

function demandPod(target: BoundTarget, node: string): BoundPod {
  if (!isPod(target)) throw new FaultRefused(`${target.id} is no pod; this agent touches ${node} and its pods only`)
  if (target.pod.node !== node) throw new FaultRefused(`${target.id} is on ${target.pod.node}; this agent is on ${node}`)
  if (refusedNamespaces.includes(target.pod.namespace)) throw new FaultRefused(`${target.id} is in ${target.pod.namespace}, which is never touched`)
  return target
}

/** `mayEnd`: by itself, at any time. */
interface StepOn { step: ProcessStep; process: BoundProcess; mayEnd?: true }

const prepareOne = ({ step, process, mayEnd }: StepOn, id: string): StepInHand[] => mayEnd ? prepareWhileThere(step, process, id) : [prepareStep(step, process, id)]

/** A step on the network is done once, in the pod's namespace; one on processes to the containers that it names: to what each began with, and a pause to all that runs there. */
function stepsOn(spec: FaultSpec, pod: BoundPod, { network, containers }: PodProcesses, peers: readonly string[]): StepOn[] {
  return stepsFor(spec, network, { peers, files: containers[0]?.first.pid ?? network.pid }).flatMap((step): StepOn[] => {
    if ('leaseSet' in step) return [{ step, process: network }]
    const wanted = 'container' in step ? step.container : undefined
    const chosen = containers.filter(({ name }) => wanted === undefined || name === wanted)
    if (chosen.length === 0) {
      throw new FaultRefused(`${pod.id}: ${wanted === undefined ? 'no container of it runs now' : `it has no running container ${wanted}; running: ${containers.map(({ name }) => name).join(', ') || 'none'}`}`)
    }
    return chosen.flatMap(({ first, beside }) => [{ step, process: first }, ...step.do === 'pause-tree' ? beside.map((process): StepOn => ({ step, process, mayEnd: true })) : []])
  })
}
