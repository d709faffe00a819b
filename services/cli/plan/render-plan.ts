import type { Step } from '#shared/fault.ts'
import type { GatePhase } from '#shared/gate.ts'
import { printDuration } from '#shared/units.ts'
import type { CandidatePlan, ExperimentPlan, FaultPlan, FilePlan, GatePlan, ProbePlan, Refusal, Timeline } from './experiment-plan.ts'

/** The column at which every text begins, whatever stands before it. */
const textColumn = 12
const narrowest = 50

/** A plan for people: a section each for what is planned, when, each fault, the probes and the gates, what of these is no limit or too short or missing, then what comes of it. Pure. */
export function renderPlan(plan: FilePlan, columns: number): string {
  const width = Math.min(Math.max(columns, narrowest), 120)
  const row = rowsOf(width)
  const sections = plan.experiments.flatMap(experiment => [
    [`experiment ${experiment.name}`, ...row('file', plan.file), ...row(plan.cluster === null ? 'within' : 'cluster', plan.cluster ?? printParents(plan))],
    ['timeline', ...timelineRows(experiment, width)],
    ...experiment.faults.map(fault => faultSection(fault, experiment.timeline, row, width)),
    ...(experiment.probes.length === 0 ? [] : [['probes', ...experiment.probes.flatMap(probe => probeRows(probe, row))]]),
    ['gates', ...experiment.gates.flatMap(gate => gateRows(gate, row)), ...(experiment.falseAborts === null ? [] : row('A/A', `false aborts without a fault: ${experiment.falseAborts}`))],
    ...warningSections(experiment, row),
    ...(experiment.noLookBefore === null ? [] : [['no look', ...row('before', experiment.noLookBefore)]]),
  ])
  return [...sections, outcome(plan, width)].map(lines => `${lines.join('\n')}\n`).join('\n')
}

function warningSections({ warnings }: ExperimentPlan, row: Row): string[][] {
  const [toothless, tooShort] = [warnings.filter(({ about }) => about === 'limit'), warnings.filter(({ about }) => about !== 'limit')]
  return ([['no limit', toothless], ['too short', tooShort]] as const).flatMap(([title, told]) => (
    told.length === 0 ? [] : [[title, ...told.flatMap(({ gate, never, says }) => row(gate, `${never ? 'it can never pass: ' : ''}${says}`))]]))
}

/** One labelled text, wrapped under itself. */
type Row = (label: string, text: string, indent?: number) => string[]

const rowsOf = (width: number): Row => (label, text, indent = 2) => labelled(label, wrap(plain(text), width - textColumn), indent)

/** A command or a query is never broken: what is copied must be what is meant. */
const verbatim = (label: string, text: string, indent: number) => labelled(label, text.trim().split('\n').map(line => visible(line.replaceAll('\t', '  '))), indent)

function labelled(label: string, [first = '', ...rest]: string[], indent: number): string[] {
  const head = `${' '.repeat(indent)}${label}`
  return [`${head.length < textColumn ? head.padEnd(textColumn) : `${head}  `}${first}`.trimEnd(), ...rest.map(line => `${' '.repeat(textColumn)}${line}`)]
}

function printParents({ parents }: FilePlan): string {
  if (parents.length === 0) return 'nothing: no process is opted in'
  return parents.map(({ name, pid }) => `${name} (${pid})`).join(', ')
}

function timelineRows({ timeline, faults, gates }: ExperimentPlan, width: number): string[] {
  const { load, steadyMs, holdEndMs, recovery, leaseMs } = timeline
  const named = (phase: GatePhase) => list(gates.filter(gate => gate.phase === phase).map(({ name }) => name))
  const span = (fromMs: number, toMs: number) => `${time(fromMs)} to ${time(toMs)}`
  const isFaultless = faults.length === 0
  const rows: [when: string, what: string, text: string][] = [
    ...(load ? [['before 0s', 'load', printLoad(load)] as [string, string, string]] : []),
    ['from 0s', 'steady', steadyMs === 0 ? `none: ${isFaultless ? 'no gate is judged before the hold' : 'the first fault comes at once'}` : `${time(steadyMs)} of quiet; judged: ${named('steady')}`],
    ...faults.map(({ id, atMs, durationMs }): [string, string, string] => [durationMs === null ? `at ${time(atMs)}` : span(atMs, atMs + durationMs), 'fault', `${id}${durationMs === null ? ', in an instant' : ''}`]),
    [span(steadyMs, holdEndMs), 'hold', `${isFaultless ? 'no fault' : 'from the first fault on'}; judged: ${named('during')}`],
    ...(isFaultless ? [] : [[`by ${time(holdEndMs + recovery.withinMs)}`, 'recovery', `${list(recovery.gates)} must hold again within ${time(recovery.withinMs)} of the last revert, for ${time(recovery.stableMs)}`],
    ['always', 'lease', `a fault that is not renewed for ${time(leaseMs)} ends by itself`]] as [string, string, string][]),
  ]
  const [whenWidth, whatWidth] = [0, 1].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0))) as [number, number]
  const before = whenWidth + whatWidth + 6
  return rows.flatMap(([when, what, text]) => wrap(plain(text), width - before).map((line, index) => (
    index === 0 ? `  ${when.padEnd(whenWidth)}  ${what.padEnd(whatWidth)}  ${line}` : `${' '.repeat(before)}${line}`)))
}

function printLoad({ users, spawnRate, rampMs, reachedWithinMs, host, locustfile, parameters }: NonNullable<Timeline['load']>): string {
  return `${users} users on ${host}, ${spawnRate} more each second for ${time(rampMs)}; all there within ${time(reachedWithinMs)}, or the run is inconclusive`
    + (locustfile === null ? '; as the jewelry shop\'s users do, since load.locustfile names no others' : `; as ${locustfile} says`)
    + (Object.keys(parameters).length === 0 ? '' : `, with ${Object.entries(parameters).map(([name, value]) => `${name} ${value}`).join(', ')}`)
}

function faultSection(fault: FaultPlan, timeline: Timeline, row: Row, width: number): string[] {
  const { id, atMs, durationMs, match, parent, candidates, refusals } = fault
  const leases = [...new Set(candidates.flatMap(({ steps }) => steps.map(({ lease }) => lease)))]
  return [
    `fault ${id}: at ${time(atMs)}${durationMs === null ? '' : `, for ${time(durationMs)}`}`,
    ...(candidates.length === 0 ? [] : row('targets', `${printPick(fault)}; matching ${JSON.stringify(match)}${parent === null ? '' : ` within ${parent}`}`)),
    ...leases.flatMap(lease => row('ended by', printLease(lease, fault, timeline))),
    ...refusals.filter(({ target }) => target === null).flatMap(refusal => row('refused', printRefusal(refusal))),
    ...candidates.flatMap(candidate => candidateRows(candidate, refusals.filter(({ target }) => target === candidate.id), row, width)),
  ]
}

function printPick({ takes, pick, candidates: { length } }: FaultPlan): string {
  if (takes === length) return length === 1 ? 'this one' : `${pick === 'all' ? 'all' : 'each'} of these ${length}`
  return `${takes === 1 ? 'one' : takes} of these ${length}, chosen by the run's name`
}

function printLease(lease: Step['lease'], { durationMs }: FaultPlan, { leaseMs }: Timeline): string {
  if (lease === 'none') return 'nothing: it is done in an instant'
  const when = `after ${time(durationMs ?? 0)}, or ${time(leaseMs)} after the last heartbeat`
  return `${endedBy[lease]}: ${when}`
}

const endedBy: Readonly<Record<Exclude<Step['lease'], 'none'>, string>> = {
  kernel: 'the kernel\'s own timer', reverter: 'a reverter, a process started before it',
  restorer: 'the restorers, which watch its record in the Kubernetes API', 'power-service': 'the power service itself',
}

const printRefusal = ({ why, certain }: Refusal) => certain ? why : `if picked: ${why}`

function candidateRows({ id, pid, commandLine, agent, steps }: CandidatePlan, refusals: Refusal[], row: Row, width: number): string[] {
  return [
    ...labelled(pid === null ? 'target' : String(pid), [visible(shorten(plain(commandLine), width - textColumn))], 2),
    ...(agent === null ? [] : row('by', `the agent ${agent}`, 4)),
    ...row('bound', id, 4),
    ...refusals.flatMap(refusal => row('refused', printRefusal(refusal), 4)),
    ...steps.flatMap(({ act, undo }) => [...verbatim('do', act, 4), ...verbatim('undo', undo, 4)]),
  ]
}

function probeRows({ name, kind, attempt, everyMs, timeoutMs, ledger }: ProbePlan, row: Row): string[] {
  return [
    `  ${name} (${kind}), by every prober`,
    ...row('attempt', `${attempt}, every ${time(everyMs)}; failed without an answer in ${time(timeoutMs)}`, 4),
    ...(ledger ? row('ledger', 'each acknowledged write is looked for at the end', 4) : []),
  ]
}

const phaseWords: Record<GatePhase, string> = {
  steady: 'must hold before the first fault, or before the hold where there is none', during: 'a breach aborts the run', recovery: 'must hold again by the deadline',
}

function gateRows(gate: GatePlan, row: Row): string[] {
  const { name, kind, phase, source, rule, everyMs, anchorMs, consecutive, noDataAfterMs, limit, reconciled, minRequests, promql } = gate
  const inRow = limit ? `${limit.breach} is a breach` : consecutive === 1 ? 'one that breaks it is a breach' : `${consecutive} in a row that break it are a breach`
  const counted = phase === 'recovery' ? 'one that breaks it or cannot be read starts the wait anew' : `${inRow}; none readable for ${time(noDataAfterMs)} is inconclusive`
  return [
    `  ${name} (${kind}, ${phase}): ${phaseWords[phase]}`,
    ...row('rule', promql === null ? rule : rule.replace(promql, () => 'the query below'), 4),
    ...row('source', `${source}${minRequests === null ? limit ? ', what its own counters have grown by' : '' : limit ? ', every request once' : `, blocks of at least ${minRequests} requests`}`, 4),
    ...(source === 'probe' ? [] : row('looks', `every ${time(everyMs)}${anchorMs === undefined ? '' : `, from ${time(anchorMs)} after the phase's start on`}; ${counted}`, 4)), // a gate on a probe is judged once, at the end
    ...(limit ? row('pass', limit.pass, 4) : []),
    ...(reconciled === undefined ? [] : row('sides', reconciled, 4)),
    ...(promql === null ? [] : verbatim('promql', promql, 4)),
  ]
}

function outcome({ experiments, possible }: FilePlan, width: number): string[] {
  const all = experiments.flatMap(({ name, faults }) => faults.map(fault => ({ fault, name: experiments.length === 1 ? fault.id : `${name}/${fault.id}` })))
  const refused = all.filter(({ fault }) => fault.refusals.length > 0)
  const inEveryRun = refused.some(({ fault }) => fault.refusals.some(({ certain }) => certain))
  const faults = all.length === 0 ? 'no fault' : `${all.length} ${all.length === 1 ? 'fault' : 'faults'}`
  const words = possible
    ? `Everything can be done: ${experiments.length} ${experiments.length === 1 ? 'experiment' : 'experiments'}, ${faults}.`
    : `${refused.length} of ${faults} ${inEveryRun ? 'would' : 'could'} be refused, and the run be inconclusive: ${refused.map(({ name }) => name).join(', ')}.`
  return [...wrap(words, width), ...wrap('Nothing was started or changed. A run looks for its targets again when each fault is due.', width)]
}

const time = printDuration
const list = (names: readonly string[]) => names.length === 0 ? 'nothing' : names.join(', ')

/** One line in which nothing is left that a terminal would obey: command lines and names are anybody's words. */
const plain = (text: string) => visible(text.replaceAll(/\s+/g, ' ').trim())
const visible = (text: string) => text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '�')

/** The begin and the end, which often names the program's role. */
function shorten(text: string, length: number): string {
  if (text.length <= length) return text
  const tail = Math.floor(length / 3)
  return `${text.slice(0, length - tail - 3)} … ${text.slice(-tail)}`
}

/** Breaks between words; a word longer than the line stays whole. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
