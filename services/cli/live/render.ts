import wrapAnsi from 'wrap-ansi'
import { apart, brief, cut, oneLine, painter, pad, stopwatch, type Paint, type Style } from './cells.ts'
import { faultRows, printFaults } from './faults.ts'
import type { LiveState } from './fold.ts'
import { gateRows, printGates, rankOf } from './gates.ts'
import { loadLines } from './load.ts'
import { probeLines } from './probes.ts'
import { stageLines } from './stages.ts'

export interface Terminal {
  nowMs: number
  columns: number
  rows: number
  colour: boolean
}

/** Wider than this, what belongs together stands too far apart. */
const widestScreen = 120
/** More lines than this are not taken in at a glance. */
const mostLines = 22
/** Below this, a section is not named at its left. */
const roomForLabels = 56
const labelWidth = 8
const roomForFigures = 90

/** What goes first when the terminal is low: the space between, then old events, then the second lines, then rows. */
interface Shape { gaps: boolean; events: number; twoLines: boolean; gatesAtLeast: number; faultsAtMost: number; reasonLines: number }
const shapes: readonly Shape[] = [
  { gaps: true, events: 3, twoLines: true, gatesAtLeast: 8, faultsAtMost: 4, reasonLines: 3 },
  { gaps: false, events: 3, twoLines: true, gatesAtLeast: 6, faultsAtMost: 3, reasonLines: 3 },
  { gaps: false, events: 1, twoLines: true, gatesAtLeast: 5, faultsAtMost: 2, reasonLines: 3 },
  { gaps: false, events: 0, twoLines: true, gatesAtLeast: 4, faultsAtMost: 2, reasonLines: 2 },
  { gaps: false, events: 0, twoLines: false, gatesAtLeast: 1, faultsAtMost: 1, reasonLines: 1 },
]

/** One screen: never wider than the terminal, and one line lower, where the cursor stands. Pure. */
export function render(state: LiveState, { nowMs, columns, rows, colour }: Terminal): string[] {
  const width = Math.max(1, Math.min(columns, widestScreen) - 1) // a full last column makes some terminals begin a new line
  const height = Math.max(1, Math.min(rows - 1, mostLines))
  const view: View = { state, nowMs, width, height, paint: painter(colour) }
  const lines = shapes.map(shape => compose(view, shape)).find(composed => composed !== undefined) ?? smallest(view)
  return lines.slice(0, height).map(line => cut(line, width).trimEnd())
}

interface View { state: LiveState; nowMs: number; width: number; height: number; paint: Paint }

/** Undefined: it does not fit. */
function compose(view: View, { gaps, events, twoLines, gatesAtLeast, faultsAtMost, reasonLines }: Shape): string[] | undefined {
  const { state, nowMs, width, height, paint } = view
  const section = sectionsOf(width, paint)
  const inner = section.width
  const ending = verdictLines(view, reasonLines)
  const faults = section('faults', limited(faultRows(state, nowMs), faultsAtMost, ({ rank }) => rank, chosen => printFaults(chosen, inner, paint), paint))
  const told = state.judged ? [] : section('events', state.events.slice(-events).map(event => eventLine(event, paint)).slice(0, events))
  const load = section('load', loadLines(state, nowMs, inner, twoLines ? 2 : 1, paint))
  const probes = section('probes', limited(probeLines(state, inner, paint), faultsAtMost, () => 0, chosen => chosen, paint))
  const stages = stageLines(state, nowMs, width - 1, twoLines ? 2 : 1, paint).map(line => ` ${line}`)
  const rows = gateRows(state)
  const parts = [[headLine(view)], stages, faults, probes, load, told, ending].filter(part => part.length > 0)
  const fixed = parts.reduce((sum, part) => sum + part.length, 0) + (gaps ? parts.length : 0)
  const room = height - fixed
  if (room < Math.min(rows.length, gatesAtLeast)) return undefined
  const gates = section('gates', limited(rows, room, rankOf, chosen => printGates(chosen, inner, paint), paint))
  const all = [[headLine(view)], stages, faults, gates, probes, load, told, ending].filter(part => part.length > 0)
  return gaps ? all.flatMap(part => ['', ...part]) : all.flat()
}

/** What must be there in the smallest of terminals. */
function smallest(view: View): string[] {
  const { state, nowMs, width, paint } = view
  return [headLine(view), ...verdictLines(view, 1), ...stageLines(state, nowMs, width - 1, 1, paint).map(line => ` ${line}`)]
}

function headLine({ state: { run, gates: { experiment }, phases, startedMs, sealedAtMs, abort, judged }, nowMs, width, paint }: View): string {
  const elapsed = stopwatch(startedMs === undefined ? 0 : (sealedAtMs ?? nowMs) - startedMs)
  const name = experiment && run.startsWith(experiment.name) ? paint('bold', experiment.name) + paint('dim', run.slice(experiment.name.length))
    : [...(experiment ? [paint('bold', experiment.name)] : []), paint('dim', oneLine(run))].join('  ')
  const doing = abort && !judged ? `${paint(['bold', 'red'], phases.recover === undefined && sealedAtMs === undefined ? 'aborting' : 'aborted')}  ` : ''
  return apart(` ${name}`, `${doing}${elapsed}`, width)
}

const toneStyles: Record<LiveState['events'][number]['tone'], Style> = { plain: 'dim', good: 'green', bad: 'red' }

function eventLine({ sinceMs, text, tone }: LiveState['events'][number], paint: Paint): string {
  return `${paint('dim', `${(sinceMs / 1_000).toFixed(1).padStart(5)} s`)}  ${paint(toneStyles[tone], text)}`
}

/** The verdict, how quick it was, and what decided it. */
function verdictLines({ state: { judged, judgement }, width, paint }: View, reasonLines: number): string[] {
  if (!judged) return []
  const [mark, style]: [string, Style] = judged.verdict === 'passed' ? ['✓', ['bold', 'green']] : judged.verdict === 'failed' ? ['✗', ['bold', 'red']] : ['?', ['bold', 'yellow']]
  const { timings, recovery } = judgement ?? {}
  const breach = width < roomForFigures ? '' : 'breach '
  const figures = [
    timings?.breachToAbortMs != null ? `${breach}to abort ${brief(timings.breachToAbortMs)}` : undefined,
    timings?.breachToRevertedMs != null ? `${breach}to reverted ${brief(timings.breachToRevertedMs)}` : undefined,
    recovery?.recoveredInMs != null ? `recovered ${recovery.recoveredInMs === 0 ? 'at once' : `after ${brief(recovery.recoveredInMs)}`}` : undefined,
  ].filter(figure => figure !== undefined)
  const head = ` ${paint(style, `${mark} ${judged.verdict}`)}${figures.length > 0 ? `   ${figures.join(paint('dim', ' · '))}` : ''}`
  const unconfirmed = judged.revertUnconfirmed ? [` ${paint(['bold', 'red'], '! a revert was not confirmed: a fault may still be there')}`] : []
  return [head, ...unconfirmed, ...wrapped(judged.reasons[0] ?? '', width - 3, reasonLines).map(line => `   ${line}`)]
}

function wrapped(words: string, columns: number, most: number): string[] {
  if (words === '' || columns < 1) return []
  const lines = wrapAnsi(oneLine(words), columns, { hard: true }).split('\n')
  return lines.length <= most ? lines : [...lines.slice(0, most - 1), cut(lines.slice(most - 1).join(' '), columns)]
}

/** All rows, or the most urgent of them in their own order and a line that counts the rest. */
function limited<T>(rows: readonly T[], most: number, rank: (row: T) => number, print: (rows: T[]) => string[], paint: Paint): string[] {
  if (rows.length <= most) return print([...rows])
  const chosen = new Set(rows.toSorted((a, b) => rank(a) - rank(b)).slice(0, Math.max(0, most - 1)))
  const rest = rows.length - chosen.size
  return [...print(rows.filter(row => chosen.has(row))), paint('dim', `… ${rest} ${chosen.size > 0 ? 'more' : 'in all'}`)].slice(0, most)
}

/** Names a section at the left of its first line. */
function sectionsOf(width: number, paint: Paint) {
  const margin = width >= roomForLabels ? labelWidth + 1 : 1
  const section = (label: string, lines: readonly string[]): string[] =>
    lines.map((line, index) => ` ${margin === 1 ? '' : paint('dim', pad(index === 0 ? label : '', labelWidth))}${line}`)
  return Object.assign(section, { width: Math.max(1, width - margin) })
}
