import type { FaultSpec } from '#shared/fault.ts'
import { overCap, usualBlastRadius, type BlastRadius } from '#shared/blast-radius.ts'
import type { PlannedTarget } from '#shared/commands.ts'
import { commandLine, readProcesses } from '#shared/process/process-table.ts'
import { isProcess, type BoundProcess, type BoundTarget, type ProcessTarget } from '#shared/target.ts'
import { kindsDoneBy, type Driver, type PrepareRequest } from './driver.ts'
import { FaultRefused } from './fault-refused.ts'
import { describe, prepareStep, stepsFor } from './process-steps.ts'
import { candidates, pickTargets, type DeclaredParent, type Scene } from './process-targets.ts'
import type { StepInHand } from './step-in-hand.ts'
import { untouchable } from './untouchable.ts'

/** The processes of this machine at and below those that the operator has declared; `parents` is asked anew each time. */
export function localDriver(parents: () => readonly DeclaredParent[]): Driver {
  return {
    kinds: kindsDoneBy('local'),
    plan: async ({ spec, run, blastRadius }) => planFault(spec, run, parents(), blastRadius),
    prepare: async request => prepareFault(request, parents()),
  }
}

/** What would be done to which targets. Changes nothing. Throws FaultRefused. */
export function planFault(spec: FaultSpec, run: string, parents: readonly DeclaredParent[], blastRadius?: BlastRadius): PlannedTarget[] {
  const target = processTarget(spec)
  return pickTargets(candidates(target, sceneNow(parents)), target.pick, run, blastRadius).map(found => planTarget(spec, found))
}

/** What would be done to one that the fault may pick, or why nothing would. */
export type PreviewedTarget = PlannedTarget & { target: BoundProcess } | { target: BoundProcess; refused: string }

/**
 * `planFault` before there is a run, whose name decides whom the fault picks: everyone it may pick, and how many of them it takes.
 * Changes nothing. Throws FaultRefused where a plan finds nobody, or too few.
 */
export function previewFault(spec: FaultSpec, parents: readonly DeclaredParent[], blastRadius?: BlastRadius): { takes: number; candidates: PreviewedTarget[] } {
  const target = processTarget(spec)
  const found = candidates(target, sceneNow(parents))
  const { length: takes } = pickTargets(found, target.pick, '', blastRadius) // whom it takes depends on the run, how many does not
  return { takes, candidates: found.map(process => previewTarget(spec, process)) }
}

function previewTarget(spec: FaultSpec, target: BoundProcess): PreviewedTarget {
  try {
    return planTarget(spec, target)
  } catch (error) {
    if (error instanceof FaultRefused) return { target, refused: error.message }
    throw error
  }
}

function planTarget(spec: FaultSpec, target: BoundProcess): PlannedTarget & { target: BoundProcess } {
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
function prepareFault({ spec, targets, id, blastRadius = usualBlastRadius }: Pick<PrepareRequest, 'spec' | 'targets' | 'id'> & { blastRadius?: BlastRadius }, parents: readonly DeclaredParent[]): StepInHand[] {
  const allowed = new Set(candidates(processTarget(spec), sceneNow(parents)).map(target => target.id))
  const tooMany = overCap(blastRadius, targets.length, allowed.size)
  if (tooMany !== undefined) throw new FaultRefused(tooMany)
  const steps = targets.flatMap(target => {
    const process = demandProcess(target)
    if (!allowed.has(target.id) || target.id !== `process:${process.pid}:${process.startTicks}`) {
      throw new FaultRefused(`${target.id} is not (or no longer) among the processes that the fault names; plan again`)
    }
    return stepsFor(spec, process).map(step => ({ step, process }))
  })
  return steps.map(({ step, process }, index) => prepareStep(step, process, `${id}_${index}`))
}

function processTarget({ target: { process } }: FaultSpec): ProcessTarget {
  if (!process) throw new FaultRefused('this agent touches processes of its machine only; all else is for agents in Kubernetes')
  return process
}

function demandProcess(target: BoundTarget): BoundProcess {
  if (!isProcess(target)) throw new FaultRefused(`${target.id} is no process; this agent touches processes of its machine only`)
  return target
}

function sceneNow(parents: readonly DeclaredParent[]): Scene {
  const table = readProcesses()
  return { table, parents, commandOf: commandLine, untouchable: untouchable(table) }
}
