import type { ExperimentFault } from '#shared/experiment.ts'
import { faultOfPart, isJoined } from '#shared/fault.ts'
import { printTargetSpec } from '#shared/target.ts'
import { printTargets } from '../timeline.ts'
import { brief, cut, oneLine, pad, seconds, widest, type Paint, type Style } from './cells.ts'
import type { LiveState, NodeFault } from './fold.ts'

/** A fault's line: where it stands, and what it is done to. Worse ones have the lower `rank`. */
export interface FaultRow {
  id: string
  mark: string
  style: Style
  text: string
  target: string
  rank: number
}

export function faultRows(state: LiveState, nowMs: number): FaultRow[] {
  return (state.gates.experiment?.faults ?? []).flatMap(fault => [fault, ...joinedTo(fault, state)]).map(spec => {
    const nodes = [...state.faults.get(spec.id) ?? []]
    const targets = nodes.flatMap(([, fault]) => fault.targets)
    const target = targets.length > 0 ? printTargets(targets) : oneLine(printTargetSpec(spec.target))
    const standings = nodes.map(([node, fault]) => ({ node, ...standingOf(fault, spec, nowMs) })).toSorted((a, b) => a.rank - b.rank)
    const [worst] = standings
    if (!worst) return { id: spec.id, target, ...unheard(state, spec, nowMs) }
    const { node, ...standing } = worst
    const where = nodes.length === 1 ? '' : standings.every(({ rank }) => rank === worst.rank) ? ` on ${nodes.length} nodes` : ` on ${node}, of ${nodes.length} nodes`
    return { id: spec.id, target, ...standing, text: oneLine(`${standing.text}${where}`) }
  })
}

/** Parts that joined the fault, each until the whole ends. One that was refused is told in passing: the next may go well. */
function joinedTo(whole: ExperimentFault, { faults }: LiveState): ExperimentFault[] {
  const sinceOf = (id: string) => Math.min(...[...faults.get(id)?.values() ?? []].map(({ sinceMs = Infinity }) => sinceMs))
  const parts = [...faults].filter(([id, nodes]) => isJoined(id) && faultOfPart(id) === whole.id && [...nodes.values()].some(({ at }) => at !== 'refused'))
  return parts.map(([id]) => ({ ...whole, id, durationMs: Math.max(0, sinceOf(whole.id) + (whole.durationMs ?? 0) - sinceOf(id)) }))
}

type Standing = Pick<FaultRow, 'mark' | 'style' | 'text' | 'rank'>

function unheard({ phases, abort, sealedAtMs }: LiveState, { atMs }: ExperimentFault, nowMs: number): Standing {
  const waiting = (text: string): Standing => ({ mark: '·', style: 'dim', text, rank: 5 })
  if (abort || sealedAtMs !== undefined) return waiting('not injected')
  if (phases.steady === undefined) return waiting(`waiting, ${brief(atMs)} after steady begins`)
  const leftMs = phases.steady + atMs - nowMs
  return leftMs > 0 ? waiting(`waiting, ${seconds(Math.ceil(leftMs / 1_000))} left`) : { mark: '○', style: 'cyan', text: 'being injected', rank: 3 }
}

function standingOf(fault: NodeFault, { durationMs }: ExperimentFault, nowMs: number): Standing {
  const unconfirmed: Pick<Standing, 'mark' | 'style' | 'rank'> = { mark: '!', style: ['bold', 'red'], rank: 0 }
  switch (fault.at) {
    case 'active': {
      const spent = seconds(Math.max(0, Math.floor((nowMs - (fault.sinceMs ?? nowMs)) / 1_000)))
      const text = durationMs === undefined ? 'done at once' : `active ${spent} of ${seconds(Math.round(durationMs / 1_000))}`
      if (!fault.verified) return { ...unconfirmed, text: `${text}, NOT CONFIRMED` }
      return durationMs === undefined ? { mark: '✓', style: 'green', text: `${text}, confirmed`, rank: 4 } : { mark: '●', style: ['bold', 'magenta'], text, rank: 3 }
    }
    case 'lapsed': return { mark: '!', style: 'red', text: 'its lease ran out', rank: 1 }
    case 'refused': return { mark: '✗', style: 'red', text: `refused: ${fault.why}`, rank: 1 }
    case 'reverted': {
      if (!fault.verified) return { ...unconfirmed, text: 'its revert is NOT CONFIRMED, it may still be there' }
      if (fault.cause === 'instant') return { mark: '✓', style: 'green', text: 'done at once, confirmed', rank: 4 }
      const after = fault.afterMs === undefined ? '' : ` after ${brief(fault.afterMs)}`
      return { mark: '✓', style: 'green', text: `reverted${after}${fault.cause === 'duration' ? '' : ` (${fault.cause})`}, confirmed`, rank: 4 }
    }
  }
}

const widestId = 24
const widestText = 44
/** The target stays where it is while the text beside it changes. */
const usualText = 24

/** In columns that all rows share. */
export function printFaults(rows: readonly FaultRow[], columns: number, paint: Paint): string[] {
  const idWidth = Math.min(widestId, widest(rows.map(({ id }) => id)))
  const textWidth = Math.min(widestText, Math.max(usualText, widest(rows.map(({ text }) => text))))
  return rows.map(({ id, mark, style, text, target }) => {
    const before = idWidth + textWidth + 6
    const isLong = widest([text]) > textWidth // a reason is worth more than a command line
    const told = `${pad(id, idWidth)}  ${paint(style, mark)} ${paint(style, isLong ? text : pad(text, textWidth))}`
    return cut(isLong || columns - before < 8 ? told : `${told}  ${paint('dim', cut(target, columns - before))}`, columns).trimEnd()
  })
}
