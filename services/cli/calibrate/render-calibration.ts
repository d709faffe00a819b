import { percent } from '#shared/gate-share.ts'
import { printDuration } from '#shared/units.ts'
import { inColumns } from '../columns.ts'
import { visible } from '../report/markup.ts'
import type { CalibrationReport, MeasuredAborts } from './calibration.ts'
import { leastBad, leastBursts, type GateAdvice } from './gate-advice.ts'

/** For people: what was seen of each gate, what its keys should be, how often it would have been wrong, and what to write into the file. Pure. */
export function renderCalibration(report: CalibrationReport): string {
  const { experiment, runs, recordedMs, phaseMs, gates, leftOut, notes } = report
  return [
    `experiment ${experiment}: ${count(runs.length, 'fault-free run')}, ${time(recordedMs)} in all; its gates are judged for ${time(phaseMs)}`, '',
    ...inColumns([['gate', 'bad requests', 'bursts', 'fail together (D)'], ...gates.map(gate => [gate.gate, `${grouped(gate.bad)} of ${grouped(gate.total)}`, printBursts(gate), printClumping(gate)])]), '',
    ...gates.flatMap(gate => [`${gate.gate}: ${blockWords(gate)}`, `${gate.gate}: ${burstWords(gate)}`]),
    ...leftOut.map(({ gate, why }) => `${gate}: left out, since ${why}`), '',
    ...falseAbortLines(report), ...notes.map(note => `note: ${note}`), '',
    outcomeWords[report.outcome],
    ...snippet(report),
  ].map(line => `${visible(line).replaceAll('\n', ' ')}\n`).join('')
}

const outcomeWords: Record<CalibrationReport['outcome'], string> = {
  fits: 'The file\'s blocks and bursts are enough.',
  change: 'The file\'s blocks and bursts are NOT enough: what its gates promise does not hold with them.',
  unknown: 'Too little failed to say whether the file\'s blocks and bursts are enough.',
}

function printBursts({ bursts, bad }: GateAdvice): string {
  if (!bursts) return bad < leastBad ? '–' : 'none seen'
  return `${bursts.count} of ${time(bursts.lengthMs)} (at most ${time(bursts.lengthAtMostMs)}), ${percent(bursts.badShare)} bad`
}

const printClumping = ({ clumping }: GateAdvice): string => clumping ? `${short(clumping.value)} (at most ${short(clumping.atMost)})` : '–'

function blockWords({ block, bursts, bad }: GateAdvice): string {
  const now = `block ${time(block.nowMs)}`
  switch (block.is) {
    case 'any': return `${now}: a budget is spent by arithmetic, whatever its blocks`
    case 'unknown': return `${now}: not known to be enough; ${tooFew(bursts, bad)}`
    case 'fits': return block.neededMs === 0 ? `${now} is enough: requests fail one by one` : `${now} is enough: four bursts need ${time(block.neededMs)}`
    case 'longer-than-needed': return `${now} is enough; ${time(block.neededMs)} would be, and see an outage sooner`
    case 'too-short': return `${now} is TOO SHORT: four bursts need ${time(block.neededMs)}`
    case 'impossible': return `${now} is TOO SHORT, and four bursts need ${time(block.neededMs)}, longer than the gate is judged: hold longer, or limit a budget instead of a rate`
  }
}

function burstWords({ burst, bursts, bad, clumping }: GateAdvice): string {
  const now = `burst ${burst.now}`
  switch (burst.is) {
    case 'unknown': return `${now}: not known to be enough; ${tooFew(bursts, bad)}`
    case 'too-small': return `${now} is TOO SMALL: ${burst.needed} is how many may fail together`
    case 'more-than-needed': return `${now} is enough; ${burst.needed} would be, and a pass would take fewer requests`
    case 'fits': return burst.needed === 1 && clumping ? `${now} is enough: nothing speaks for requests that fail together (D of ${short(clumping.atMost)} is not ruled out)` : `${now} is enough`
  }
}

function tooFew(bursts: GateAdvice['bursts'], bad: number): string {
  if (bursts && bursts.count < leastBursts) return `${count(bursts.count, 'burst')} seen, and it takes ${leastBursts}`
  return bad < leastBad ? `${count(bad, 'bad request')} seen, and it takes ${leastBad}` : 'the recordings are too short for it'
}

function falseAbortLines({ asWritten, asNeeded, alpha }: CalibrationReport): string[] {
  if (!asWritten) return ['false aborts: not measured']
  return [`false aborts with the file's settings: ${printAborts(asWritten, alpha)}`, ...asNeeded ? [`false aborts with what is needed: ${printAborts(asNeeded, alpha)}`] : []]
}

function printAborts({ rate, windows, starts, aborted, atLeast, atMost, missingMs }: MeasuredAborts, alpha: number): string {
  const seen = `${percent(rate)} of runs (${aborted} of ${starts} beginnings in ${count(windows, 'window')}; 95 %: ${percent(atLeast)} to ${percent(atMost)})`
  if (atLeast > alpha) return `${seen}: MORE than alpha, ${percent(alpha)}`
  return `${seen}; ${missingMs === 0 ? `below alpha, ${percent(alpha)}` : `${time(missingMs)} more without one would show that it is below alpha, ${percent(alpha)}`}`
}

/** YAML, to be put into the file. Nothing where there is nothing to say. */
function snippet({ settings, asWritten, asNeeded, gates, subject, measuredAt, phaseMs, runs }: CalibrationReport): string[] {
  const isChanged = gates.some(({ block, burst }) => block.is === 'too-short' || burst.is === 'too-small')
  const measured = isChanged ? asNeeded : asWritten
  if (!isChanged && !measured) return []
  return [
    '', isChanged ? 'To be written into the file; the gates have their other keys beside these:' : 'To be written into the file, for its reports:', '',
    ...isChanged ? ['gates:', ...settings.map(setting => `  - ${yamlGate(setting)}`)] : [],
    ...measured ? [
      'calibration:', `  measuredAt: '${measuredAt}'`, `  subject: ${subject}`, `  phase: ${printDuration(phaseMs)}`, `  runs: ${runs.length}`, `  windows: ${measured.windows}`,
      `  falseAborts: ${yamlPercent(measured.rate)}`, `  atMost: ${yamlPercent(measured.atMost)}`,
      '  gates:', ...settings.map(setting => `    - ${yamlGate(setting)}`),
    ] : [],
  ]
}

const yamlGate = ({ gate, blockMs, burst }: CalibrationReport['settings'][number]): string => `{name: ${gate}, block: ${printDuration(blockMs)}, burst: ${burst}}`

const time = (ms: number): string => printDuration(ms < 1_000 ? Math.round(ms) : Math.round(ms / 100) * 100)
const short = (value: number): string => String(Number(value.toPrecision(3)))
const grouped = (number: number): string => number.toLocaleString('en')
const count = (number: number, noun: string): string => `${grouped(number)} ${noun}${number === 1 ? '' : 's'}`
/** As the file format takes it. */
const yamlPercent = (ratio: number): string => `${Number((ratio * 100).toFixed(3))}%`
