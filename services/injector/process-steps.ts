import { isIP } from 'node:net'
import type { PlannedTarget } from '#shared/commands.ts'
import { isApiStep, type ApiStep, type FaultSpec, type FaultTarget, type Step } from '#shared/fault.ts'
import type { BoundProcess } from '#shared/target.ts'
import { FaultRefused } from './fault-refused.ts'
import { networkDevices, prepareNft } from './network-deeds.ts'
import { allowedCpus, countCpus, prepareBurn, prepareKill, preparePause } from './process-deeds.ts'
import type { StepInHand } from './step-in-hand.ts'

/** A step that is done to a process, or in its network namespace. */
export type ProcessStep = Exclude<Step, ApiStep>

/** The steps that the fault's plan asks for, seen from this process. Throws FaultRefused when it has ended. */
export function stepsFor(spec: FaultSpec, { pid, id }: BoundProcess, peers: readonly string[] = []): ProcessStep[] {
  if (spec.peers && peers.length === 0) throw new FaultRefused(`${spec.kind} has another side, and nobody is there`)
  const strange = peers.find(address => !isIP(address)) // they become part of a rule
  if (strange !== undefined) throw new FaultRefused(`${JSON.stringify(strange)} is no address`)
  let found: FaultTarget
  try {
    found = { cpuCount: countCpus(allowedCpus(pid)), devices: networkDevices(pid), peers: [...peers] }
  } catch (cause) {
    throw new FaultRefused(`${id} ended while it was looked at; plan again`, { cause })
  }
  return spec.plan(found).map(step => {
    if (isApiStep(step)) throw new FaultRefused(`${spec.kind} is done through the Kubernetes API, not on a node`)
    return step
  })
}

/** Ready to be done; changes nothing yet. Throws FaultRefused where the act would. */
export function prepareStep(step: ProcessStep, target: BoundProcess, id: string): StepInHand {
  switch (step.do) {
    case 'kill': return prepareKill(step, target)
    case 'pause-tree': return preparePause(target)
    case 'burn-cpu': return prepareBurn(step, target)
    case 'nft': return prepareNft(step, target, id)
  }
}

/** For people: what is done and what undoes it, as they could do it themselves. */
export function describe(step: ProcessStep, { pid }: BoundProcess): PlannedTarget['steps'][number] {
  const { lease } = step
  switch (step.do) {
    case 'kill': return { lease, act: `kill -${step.signal.slice(3)} ${pid}${step.tree ? ' and its descendants' : ''}`, undo: 'none: whoever supervises it starts it again' }
    case 'pause-tree': return { lease, act: `kill -STOP ${pid} and its descendants`, undo: `kill -CONT ${pid} and its descendants` }
    case 'burn-cpu': return { lease, act: `${step.workers} processes busy for ${step.loadPercent} % of the time on processors ${allowedCpus(pid)}`, undo: 'kill -KILL those processes' }
    case 'nft': return { lease, act: `nsenter -t ${pid} -n nft -f - <<'END'\ntable netdev faultline_<id> {\n  set ${step.leaseSet} { type ifname; flags timeout; }${step.rules}\n}\nEND`, undo: `nsenter -t ${pid} -n nft delete table netdev faultline_<id>` }
  }
}
