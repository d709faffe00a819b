import { brief, cut, pad, seconds, widest, type Paint, type Style } from './cells.ts'
import type { LiveState } from './fold.ts'

/**
 * The way of a run in six stages, each with how long it is expected to take. The faults' being injected belongs to the hold, and an
 * abort goes straight from wherever the run is to the revert; without faults, to the end.
 */
export interface Stage {
  name: string
  /** Of the bar; a stage keeps its place however long it takes. */
  weightMs: number
  startMs?: number
  endMs?: number
  /** When it ends if all goes well; undefined: nobody can say. */
  dueMs?: number
  /** It may take no longer than this. */
  withinMs?: number
  /** It was left by an abort. */
  broken?: boolean
}

function stagesOf(state: LiveState): Stage[] {
  const { phases, abort, sealedAtMs, startedMs, judged, gates: { experiment, duringFromMs } } = state
  const isFaultless = experiment?.faults.length === 0
  const rampMs = experiment?.load ? experiment.load.users / experiment.load.spawnRate * 1_000 : 0
  const hold = experiment?.holdMs ?? 0
  const stages: (Stage | false)[] = [
    (!experiment || experiment.load !== undefined) && { name: 'load', weightMs: rampMs + 1_500, ...at(phases.load ?? startedMs) },
    { name: 'steady', weightMs: experiment?.steadyMs ?? 0, ...at(phases.steady), ...due(phases.steady, experiment?.steadyMs) },
    { name: phases.inject !== undefined && phases.hold === undefined ? 'inject' : 'hold', weightMs: hold, ...at(phases.inject ?? phases.hold), ...due(duringFromMs, hold) },
    isFaultless ? { name: 'end', weightMs: 1_500, ...at(abort?.atMs ?? phases.end) } : { name: 'revert', weightMs: 500, ...at(abort?.atMs ?? phases.revert) },
    !isFaultless && { name: 'recover', weightMs: (experiment?.recovery.stableMs ?? 0) + 1_500, ...at(phases.recover), ...(experiment && { withinMs: experiment.recovery.withinMs }) },
    (experiment?.probes.length ?? 0) > 0 && { name: 'verify', weightMs: 2_000, ...at(phases.verify) },
    { name: 'judged', weightMs: 500, ...at(sealedAtMs) },
  ]
  const all = stages.filter(stage => stage !== false)
  return all.map((stage, index) => {
    const next = all.slice(index + 1).find(({ startMs }) => startMs !== undefined)
    const endMs = next?.startMs ?? (stage.name === 'judged' && judged ? stage.startMs : undefined)
    const broken = abort !== undefined && (next?.name === 'revert' || next?.name === 'end') && stage.startMs !== undefined
    return { ...stage, ...(stage.startMs !== undefined && endMs !== undefined && { endMs }), ...(broken && { broken }) }
  })
}

const at = (startMs: number | undefined) => startMs === undefined ? {} : { startMs }
const due = (startMs: number | undefined, lengthMs: number | undefined) => startMs === undefined || lengthMs === undefined ? {} : { dueMs: startMs + lengthMs }

/** The stage that the run is in: the last that has begun and not ended. */
const currentStage = (stages: readonly Stage[]): Stage | undefined => stages.findLast(({ startMs, endMs }) => startMs !== undefined && endMs === undefined)

/** What is to be said of a stage's time: what is left of it where that is known, else what it has taken. */
function stageTime({ startMs, endMs, dueMs, withinMs }: Stage, nowMs: number): string {
  if (startMs === undefined) return ''
  if (endMs !== undefined) return brief(endMs - startMs)
  if (dueMs !== undefined && dueMs > nowMs) return `${seconds(Math.ceil((dueMs - nowMs) / 1_000))} left`
  const spent = Math.max(0, Math.floor((nowMs - startMs) / 1_000))
  return withinMs !== undefined && nowMs - startMs < withinMs ? `${spent} of ${seconds(Math.round(withinMs / 1_000))}` : seconds(spent)
}

const longestTime = 9 // `12 s left`

/** A bar of all stages and their names beneath it; in a narrow or low terminal one line with the current stage. */
export function stageLines(state: LiveState, nowMs: number, columns: number, lines: 1 | 2, paint: Paint): string[] {
  const stages = stagesOf(state)
  const widths = widthsOf(stages, columns)
  if (lines === 1 || !widths) return [oneStageLine(stages, nowMs, columns, paint)]
  const bars = stages.map((stage, index) => bar(stage, nowMs, widths[index] ?? 0, paint))
  const names = stages.map((stage, index) => {
    const style = styleOf(stage)
    const time = stageTime(stage, nowMs)
    const width = widths[index] ?? 0
    const room = width - stage.name.length - 1
    const shown = time !== '' && widest([time]) <= room ? ` ${paint('dim', time)}` : ''
    return pad(`${paint(style, cut(stage.name, width))}${shown}`, width)
  })
  return [bars.join(' '), names.join(' ').trimEnd()]
}

/** Each stage has room for its name and a time, and a share of the rest by its length; undefined: even the names have no room. */
function widthsOf(stages: readonly Stage[], columns: number): number[] | undefined {
  const total = (widths: readonly number[]) => widths.reduce((sum, width) => sum + width, stages.length - 1)
  const names = stages.map(({ name }) => Math.max(6, name.length))
  const timed = stages.map(({ name }, index) => (names[index] ?? 0) + (name === 'judged' ? 0 : name === 'recover' ? longestTime + 2 : longestTime - 2))
  const least = total(timed) <= columns ? timed : names
  const rest = columns - total(least)
  if (rest < 0) return undefined
  const weight = stages.reduce((sum, { weightMs }) => sum + weightMs, 0)
  const shares = stages.map(({ weightMs }) => weight > 0 ? Math.floor(rest * weightMs / weight) : 0)
  return least.map((width, index) => width + (shares[index] ?? 0))
}

function oneStageLine(stages: readonly Stage[], nowMs: number, columns: number, paint: Paint): string {
  const current = currentStage(stages)
  const done = stages.filter(({ endMs }) => endMs !== undefined).length
  const label = current ? `${current.name} ${stageTime(current, nowMs)}` : done === 0 ? 'submitted' : 'judged'
  const room = Math.min(stages.length * 4, columns - widest([label]) - 2)
  if (room < stages.length) return cut(label, columns)
  const width = Math.floor(room / stages.length)
  return `${stages.map(stage => bar(stage, nowMs, width, paint)).join('')}  ${label}`
}

/** Heavy as far as the run has come, light where it has not. */
function bar(stage: Stage, nowMs: number, width: number, paint: Paint): string {
  const filled = Math.round(width * doneShare(stage, nowMs))
  return paint(styleOf(stage), '━'.repeat(filled)) + paint('dim', '─'.repeat(width - filled))
}

function doneShare({ startMs, endMs, dueMs, weightMs, broken }: Stage, nowMs: number): number {
  if (startMs === undefined) return 0
  if (endMs !== undefined && !broken) return 1
  const spentMs = (endMs ?? nowMs) - startMs
  const expectedMs = Math.max(1, dueMs === undefined ? weightMs : dueMs - startMs)
  return Math.min(0.95, Math.max(0.05, spentMs / expectedMs)) // begun, and not at its end
}

function styleOf({ startMs, endMs, broken }: Stage): Style {
  if (startMs === undefined) return 'dim'
  return endMs === undefined ? ['bold', 'cyan'] : broken ? 'red' : 'green'
}
