import type { GateStatus } from '#shared/events.ts'
import type { GateSpec } from '#shared/experiment.ts'
import type { GatePhase, Measurement } from '#shared/gate.ts'
import { recoveryOf, type GateState } from '#shared/gate-core.ts'
import { printAgainst, printForPass } from '#shared/gate-sequential.ts'
import { watchStatus, type Watch } from '#shared/gate-watch.ts'
import type { Judgement } from '#shared/verdict.ts'
import { cut, oneLine, pad, widest, type Paint, type Style } from './cells.ts'
import type { LiveState } from './fold.ts'
import { limitWords, valueAgainstLimit } from './gate-values.ts'
import { sparkline } from './sparkline.ts'

/** A gate over one of its phases: where it stands, by its looks. */
export interface GateRow {
  name: string
  phase: GatePhase
  spec: GateSpec
  status: Status
  last?: Measurement
  looks: readonly Measurement[]
  /** Of a gate with a `limit`: how near a breach and how far from a pass it is. */
  standing?: string
  /** Its phase is over: what it says is no longer about now. */
  over: boolean
}

/** `passed` and `inconclusive` are the verdict's, over gates that ended nothing. */
type Status = GateStatus | 'passed' | 'inconclusive'

const shownLooks = 16

/** In the order of the file; gates of the during phase that say when the system has recovered come once more below. */
export function gateRows({ gates, judgement }: LiveState): GateRow[] {
  const { experiment, watches, recovery, recovering } = gates
  if (!experiment) return []
  const watchOf = (spec: GateSpec) => [...watches, ...recovery].find(({ gate, phase }) => gate.name === spec.name && phase === spec.phase)
  const again = recovering ? recovery.filter(({ gate }) => gate.phase !== 'recovery') : []
  return [
    ...experiment.gates.map(spec => rowOf(spec, spec.phase, watchOf(spec), gates, judgement)),
    ...again.map(watch => rowOf(watch.gate, 'recovery', watch, gates)),
  ]
}

function rowOf(spec: GateSpec, phase: GatePhase, watch: Watch | undefined, gates: GateState, judgement?: Judgement): GateRow {
  const status = watch ? statusOf(watch, gates) : 'pending'
  const taken = watch?.looks.map(({ measurement }) => measurement) ?? []
  const looks = taken.slice(0, status === 'met' || status === 'missed' ? taken.findLastIndex(({ is }) => is === 'measured') + 1 : undefined).slice(-shownLooks) // the load's end is none of its business
  const last = watch?.ended?.by.measurement ?? looks.at(-1)
  return { name: spec.name, phase, spec, looks, over: watch?.end !== undefined, status: judgement ? concludedStatus(spec, status, judgement) : status, ...(last && { last }), ...standingOf(watch) }
}

function standingOf(watch: Watch | undefined): Pick<GateRow, 'standing'> {
  const tally = watch?.ended?.tally ?? watch?.tally
  const sequential = watch?.gate.sequential
  return sequential && tally ? { standing: `${printAgainst(sequential, tally)}, ${printForPass(sequential, tally)}` } : {}
}

/** Recovery counts from the last fault's end, but is told only once the run waits for it. */
function statusOf(watch: Watch, { experiment, recovering }: GateState): GateStatus {
  if (watch.phase !== 'recovery' || !experiment) return watchStatus(watch)
  if (!recovering) return 'pending'
  const { is } = recoveryOf(watch, experiment.recovery)
  return is === 'watching' ? watchStatus(watch) : is
}

function concludedStatus({ name, phase }: GateSpec, status: GateStatus, { gates }: Judgement): Status {
  const judged = gates.find(gate => gate.name === name && gate.phase === phase)
  const saysItself = status === 'breached' || status === 'unreadable' || status === 'met' || status === 'missed'
  return saysItself || !judged || judged.verdict === 'failed' ? status : judged.verdict
}

/** How urgent a gate is when not all have room: the lower, the sooner shown. */
export function rankOf({ status }: Pick<GateRow, 'status'>): number {
  const order: readonly Status[][] = [['breached', 'unreadable', 'missed'], ['breaking'], ['no-data', 'inconclusive'], ['holding', 'met', 'passed']]
  const found = order.findIndex(group => group.includes(status))
  return found === -1 ? order.length : found
}

const marks: Record<Status, { mark: string; style: Style; words: string }> = {
  pending: { mark: '·', style: 'dim', words: 'pending' },
  holding: { mark: '✓', style: 'green', words: 'holding' },
  breaking: { mark: '!', style: ['bold', 'yellow'], words: 'breaking' },
  'no-data': { mark: '?', style: 'yellow', words: 'no data' },
  breached: { mark: '✗', style: ['bold', 'red'], words: 'breached' },
  unreadable: { mark: '✗', style: ['bold', 'red'], words: 'unreadable' },
  met: { mark: '✓', style: 'green', words: 'met' },
  missed: { mark: '✗', style: ['bold', 'red'], words: 'missed' },
  passed: { mark: '✓', style: 'green', words: 'passed' },
  inconclusive: { mark: '?', style: 'dim', words: 'inconclusive' },
}

const widestName = 24
const phaseWidth = 'recovery'.length
const roomForPhase = 64
const roomForWords = 40
const widestShare = '99.99 % '.length

/** In columns that all rows share; in a narrow terminal the phase goes first, then the status in words. */
export function printGates(rows: readonly GateRow[], columns: number, paint: Paint): string[] {
  const nameWidth = Math.min(widestName, widest(rows.map(({ name }) => name)))
  const wordsWidth = Math.max(8, widest(rows.map(({ status }) => marks[status].words)))
  const valueWidth = Math.max(widest(rows.map(valueOf)), widestShare + widest(rows.map(({ spec }) => limitWords(spec.rule)))) // steady, whatever the next look says
  const before = nameWidth + 3 + (columns >= roomForPhase ? phaseWidth + 2 : 0) + (columns >= roomForWords ? wordsWidth + 1 : 0)
  const room = columns - before - 2 - valueWidth
  const looksWidth = Math.max(0, Math.min(shownLooks, room - 2))
  const detailWidth = room - looksWidth - 4
  return rows.map(row => {
    const { mark, words, style: usual } = marks[row.status]
    const style = row.over && (row.status === 'breaking' || row.status === 'no-data') ? 'dim' : usual
    const cells = [
      pad(row.name, nameWidth),
      ...(columns >= roomForPhase ? [paint('dim', pad(row.phase, phaseWidth))] : []),
      `${paint(style, mark)}${columns >= roomForWords ? ` ${paint(style, pad(words, wordsWidth))}` : ''}`,
      pad(valueOf(row), valueWidth),
      ...(looksWidth >= 4 ? [pad(printLooks(row, looksWidth, paint), looksWidth)] : []),
      ...(detailWidth >= 12 ? [paint('dim', cut(detailOf(row), detailWidth))] : []),
    ]
    return cut(cells.join('  '), columns).trimEnd()
  })
}

function valueOf({ spec, last }: GateRow): string {
  return oneLine(last?.is === 'measured' ? valueAgainstLimit(spec.rule, last.value) : `– ${limitWords(spec.rule)}`)
}

/** What breaks the limit is the worst to overlook, so it is said by more than its height. */
function printLooks({ spec, looks }: GateRow, columns: number, paint: Paint): string {
  const shown = looks.slice(-columns)
  const { limit, otherLimit } = spec.rule
  const reach = Math.max(limit.value, otherLimit?.value ?? limit.value)
  const bars = sparkline(shown.map(look => look.is === 'measured' ? look.value : null), Number.isFinite(reach) ? reach : 0)
  return shown.map((look, index) => look.is === 'measured' ? paint(look.breaks ? 'red' : 'green', bars[index] ?? ' ') : paint('dim', '·')).join('')
}

function detailOf({ spec, last, status, standing }: GateRow): string {
  if (standing !== undefined) return standing
  if (last?.is === 'no-data' && status !== 'pending') return oneLine(last.why)
  if (last?.is === 'measured' && last.breaks && last.bad !== undefined && last.total !== undefined) return `${last.bad} bad of ${last.total} requests`
  return oneLine(spec.rule.description)
}
