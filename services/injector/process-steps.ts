import { isIP } from 'node:net'
import type { PlannedTarget } from '#shared/commands.ts'
import { FaultImpossible, isApiStep, type ApiStep, type FaultSpec, type LeasedRules, type Step } from '#shared/fault.ts'
import { findProcess } from '#shared/process/process-table.ts'
import type { BoundProcess } from '#shared/target.ts'
import { prepareDivert } from './divert-deeds.ts'
import { FaultRefused } from './fault-refused.ts'
import { faultTargetOf } from './fault-target.ts'
import { prepareNft } from './network-deeds.ts'
import { allowedCpus, prepareKill, preparePause } from './process-deeds.ts'
import { prepareDelayQueue, queueCommands, queueHandle } from './queue-deeds.ts'
import type { StepInHand } from './step-in-hand.ts'
import { heldBytes, prepareBurn, prepareHold } from './stress-deeds.ts'

/** A step that is done to a process, or in its network namespace. */
export type ProcessStep = Exclude<Step, ApiStep>

/** The steps that the fault's plan asks for, seen from this process; its files from `files`, whose root is another's in a pod. Throws FaultRefused when it has ended. */
export function stepsFor(spec: FaultSpec, { pid, id }: BoundProcess, { peers = [], files = pid }: { peers?: readonly string[]; files?: number } = {}): ProcessStep[] {
  if (spec.peers && peers.length === 0) throw new FaultRefused(`${spec.kind} has another side, and nobody is there`)
  const strange = peers.find(address => !isIP(address)) // they become part of a rule
  if (strange !== undefined) throw new FaultRefused(`${JSON.stringify(strange)} is no address`)
  return planned(spec, { pid, id, peers, files }).map(step => {
    if (isApiStep(step)) throw new FaultRefused(`${spec.kind} is done through the Kubernetes API, not on a node`)
    return step
  })
}

function planned(spec: FaultSpec, { pid, id, peers, files }: { pid: number; id: string; peers: readonly string[]; files: number }): Step[] {
  try {
    return spec.plan(faultTargetOf({ pid, files, peers }))
  } catch (cause) {
    if (cause instanceof FaultRefused) throw cause
    if (cause instanceof FaultImpossible) throw new FaultRefused(`${id}: ${cause.message}`, { cause })
    throw new FaultRefused(`${id} ended while it was looked at; plan again`, { cause })
  }
}

/** Ready to be done; changes nothing yet. Throws FaultRefused where the act would. */
export function prepareStep(step: ProcessStep, target: BoundProcess, id: string): StepInHand {
  switch (step.do) {
    case 'kill': return prepareKill(step, target)
    case 'pause-tree': return preparePause(target)
    case 'burn-cpu': return prepareBurn(step, target)
    case 'hold-memory': return prepareHold(step, target)
    case 'nft': return prepareNft(step, target, id)
    case 'delay-queue': return prepareDelayQueue(step, target, id)
    case 'divert': return prepareDivert(step, target, id)
  }
}

/** The same to a process that may end by itself at any time: then there is nothing to be done to it, and nothing is refused. */
export function prepareWhileThere(step: ProcessStep, target: BoundProcess, id: string): StepInHand[] {
  const unlessEnded = <T>(ended: T) => (error: unknown): T => {
    if (findProcess(target)) throw error
    return ended
  }
  try {
    const prepared = prepareStep(step, target, id)
    return [{ ...prepared, act: context => prepared.act(context).catch(unlessEnded({ verified: true, readBack: [`${target.id} has ended by itself`] })) }]
  } catch (error) {
    return unlessEnded([])(error)
  }
}

/** For people: what is done and what undoes it, as they could do it themselves. */
export function describe(step: ProcessStep, target: BoundProcess): PlannedTarget['steps'][number] {
  const { pid } = target
  const { lease } = step
  const inside = `nsenter -t ${pid} -n`
  switch (step.do) {
    case 'kill': return { lease, act: `kill -${step.signal.slice(3)} ${pid}${step.tree ? ' and its descendants' : ''}`, undo: 'none: whoever supervises it starts it again' }
    case 'pause-tree': return { lease, act: `kill -STOP ${pid} and its descendants`, undo: `kill -CONT ${pid} and its descendants` }
    case 'burn-cpu': return { lease, act: `${step.workers} processes busy for ${step.loadPercent} % of the time on processors ${allowedCpus(pid)}${step.inside ? `, in the cgroups of ${pid}` : ''}`, undo: 'kill -KILL those processes' }
    case 'hold-memory': return { lease, act: `a process that holds ${heldBytes(step.size, target)} bytes, in the memory cgroup of ${pid}`, undo: 'kill -KILL that process' }
    case 'nft': return { lease, act: `${inside} ${printRules(step)}`, undo: `${inside} ${printDelete(step)}` }
    case 'delay-queue': return {
      lease, act: `# ${step.why}\n${step.leased.flatMap(device => queueCommands(step, device).map(argv => `${inside} tc ${argv.join(' ')}`)).join('\n')}\n${inside} ${printRules(step)}`,
      undo: `${inside} ${printDelete(step)}\n${step.leased.map(device => `${inside} tc qdisc del dev ${device} root # if it is ${queueHandle}`).join('\n')}`,
    }
    case 'divert': return {
      lease, act: `# ${step.why}\n${inside} ${step.to.program} ${JSON.stringify(step.to)}\n${inside} ${printRules(step)}`,
      undo: `${inside} ${printDelete(step)}\nkill -KILL the ${step.to.program}`,
    }
  }
}

const printTable = ({ family = 'netdev' }: LeasedRules) => `table ${family} faultline_<id>`
const printRules = (step: LeasedRules) => `nft -f - <<'END'\n${printTable(step)} {\n  set ${step.leaseSet} { type ifname; flags timeout; }${step.rules}\n}\nEND`
const printDelete = (step: LeasedRules) => `nft delete ${printTable(step)}`
