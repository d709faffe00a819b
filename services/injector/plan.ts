import type { z } from 'zod'
import type { PlannedTarget } from '#shared/commands.ts'
import type { FaultSpec, FaultTarget, Step } from '#shared/fault.ts'
import { faultKinds } from '#shared/registry.ts'
import type { BoundTarget } from '#shared/target.ts'
import { FaultRefused } from './fault-refused.ts'
import { networkDevices, prepareNft } from './network-driver.ts'
import { allowedCpus, countCpus, prepareBurn, prepareKill, preparePause } from './process-driver.ts'
import { commandLine, readProcesses } from '#shared/process/process-table.ts'
import { candidates, pickTargets, untouchable, type DeclaredParent, type Scene } from './process-targets.ts'
import type { StepInHand } from './step-in-hand.ts'

/** Checks a fault as it was written, with the one schema of its kind. Throws FaultRefused. */
export function parseItem(item: unknown): FaultSpec {
  const kind = typeof item === 'object' && item !== null && 'kind' in item ? String(item.kind) : 'nothing'
  const known = faultKinds.get(kind)
  if (!known) throw new FaultRefused(`this agent has no fault kind ${kind}; it has ${[...faultKinds.keys()].join(', ')}`)
  const parsed = known.item.safeParse(item)
  if (!parsed.success) throw new FaultRefused(`the fault is not as ${kind} wants it: ${problems(parsed.error)}`)
  return parsed.data
}

const problems = ({ issues }: z.ZodError) => issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`).join('; ')

/** What would be done to which targets. Changes nothing. Throws FaultRefused. */
export function planFault(spec: FaultSpec, run: string, parents: readonly DeclaredParent[]): PlannedTarget[] {
  return pickTargets(candidates(spec.target, sceneNow(parents)), spec.target.process.pick, run).map(target => planTarget(spec, target))
}

/** What would be done to one that the fault may pick, or why nothing would. */
export type PreviewedTarget = PlannedTarget | { target: BoundTarget; refused: string }

/**
 * `planFault` before there is a run, whose name decides whom the fault picks: everyone it may pick, and how many of them it takes.
 * Changes nothing. Throws FaultRefused where a plan finds nobody, or too few.
 */
export function previewFault(spec: FaultSpec, parents: readonly DeclaredParent[]): { takes: number; candidates: PreviewedTarget[] } {
  const found = candidates(spec.target, sceneNow(parents))
  const { length: takes } = pickTargets(found, spec.target.process.pick, '') // whom it takes depends on the run, how many does not
  return { takes, candidates: found.map(target => previewTarget(spec, target)) }
}

function previewTarget(spec: FaultSpec, target: BoundTarget): PreviewedTarget {
  try {
    return planTarget(spec, target)
  } catch (error) {
    if (error instanceof FaultRefused) return { target, refused: error.message }
    throw error
  }
}

function planTarget(spec: FaultSpec, target: BoundTarget): PlannedTarget {
  return {
    target,
    steps: stepsFor(spec, target).map((step, index) => {
      prepareStep(step, target, `plan${index}`) // throws where the inject would
      return describe(step, target)
    }),
  }
}

/**
 * The steps of exactly these targets, one list for all, in order. The agent looks again for itself: a target that is not among what the
 * fault names below the declared parents is refused, whoever asks. Throws FaultRefused.
 */
export function prepareFault(spec: FaultSpec, targets: readonly BoundTarget[], parents: readonly DeclaredParent[], id: string): StepInHand[] {
  const allowed = new Set(candidates(spec.target, sceneNow(parents)).map(target => target.id))
  const steps = targets.flatMap(target => {
    if (!allowed.has(target.id) || target.id !== `process:${target.pid}:${target.startTicks}`) {
      throw new FaultRefused(`${target.id} is not (or no longer) among the processes that the fault names; plan again`)
    }
    return stepsFor(spec, target).map(step => ({ step, target }))
  })
  return steps.map(({ step, target }, index) => prepareStep(step, target, `${id}_${index}`))
}

function sceneNow(parents: readonly DeclaredParent[]): Scene {
  const table = readProcesses()
  return { table, parents, commandOf: commandLine, untouchable: untouchable(table) }
}

function stepsFor(spec: FaultSpec, { pid, id }: BoundTarget): Step[] {
  let found: FaultTarget
  try {
    found = { cpuCount: countCpus(allowedCpus(pid)), devices: networkDevices(pid) }
  } catch (cause) {
    throw new FaultRefused(`${id} ended while it was looked at; plan again`, { cause })
  }
  return spec.plan(found)
}

function prepareStep(step: Step, target: BoundTarget, id: string): StepInHand {
  switch (step.do) {
    case 'kill': return prepareKill(step, target)
    case 'pause-tree': return preparePause(target)
    case 'burn-cpu': return prepareBurn(step, target)
    case 'nft': return prepareNft(step, target, id)
  }
}

/** For people: what is done and what undoes it, as they could do it themselves. */
function describe(step: Step, { pid }: BoundTarget): PlannedTarget['steps'][number] {
  const { lease } = step
  switch (step.do) {
    case 'kill': return { lease, act: `kill -${step.signal.slice(3)} ${pid}${step.tree ? ' and its descendants' : ''}`, undo: 'none: whoever supervises it starts it again' }
    case 'pause-tree': return { lease, act: `kill -STOP ${pid} and its descendants`, undo: `kill -CONT ${pid} and its descendants` }
    case 'burn-cpu': return { lease, act: `${step.workers} processes busy for ${step.loadPercent} % of the time on processors ${allowedCpus(pid)}`, undo: 'kill -KILL those processes' }
    case 'nft': return { lease, act: `nsenter -t ${pid} -n nft -f - <<'END'\ntable netdev faultline_<id> {\n  set ${step.leaseSet} { type ifname; flags timeout; }${step.rules}\n}\nEND`, undo: `nsenter -t ${pid} -n nft delete table netdev faultline_<id>` }
  }
}
