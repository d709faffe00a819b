import { stringify } from 'yaml'
import { renderProblem, type Problem } from '#shared/experiment-file.ts'
import { gateKinds } from '#shared/gate-kinds.ts'
import type { GateRule } from '#shared/gate.ts'
import { readServiceLevels } from '#shared/openslo-levels.ts'
import type { Objective, ServiceLevel } from '#shared/service-level.ts'
import { issueProblems, readSloFile, refusalProblems, type FileDocument } from '#shared/slo-file.ts'
import { printDuration } from '#shared/units.ts'

/** An objective as a gate: as it is written in an experiment, what that asks for, and its PromQL over a window of 5 s, or the objective's own slice. */
interface ShownGate { gate: object; rule: string; promql: string }

interface ShownSlo {
  name: string
  place: Pick<Problem, 'file' | 'line'>
  service: string | null
  budgeting: ServiceLevel['budgeting'] | null
  gates: ShownGate[]
  /** Why it can be no gate. */
  problems: Problem[]
}

/** `passedOver`: documents that say nothing of how a service is measured. */
interface Shown { slos: ShownSlo[]; passedOver: string[]; problems: Problem[] }

/**
 * `faultline slo FILE...`: 0 when something in the files can be a gate, 3 when nothing can, or a file is no OpenSLO v1. Reads files; starts nothing.
 * With `json`, `output` is {slos: [{name, place, service, budgeting, gates: [{gate, rule, promql}], problems}], passedOver, problems}.
 */
export async function sloCommand(files: readonly string[], { json }: { json: boolean }): Promise<{ exitCode: 0 | 3; output: string }> {
  const read = await Promise.all(files.map(readSloFile))
  const shown = show(read.flatMap(({ documents }) => documents), read.flatMap(({ problems }) => problems))
  const isUsable = shown.problems.length === 0 && shown.slos.some(({ gates }) => gates.length > 0)
  return { exitCode: isUsable ? 0 : 3, output: json ? `${JSON.stringify(shown, null, 2)}\n` : printShown(shown) }
}

function show(documents: readonly FileDocument[], unreadable: Problem[]): Shown {
  const { levels, issues, passedOver } = readServiceLevels(documents.map(({ plain }) => plain))
  const slos = levels.map(({ name, document, level, refusals }): ShownSlo => {
    const { file = '', line = 1 } = documents[document]?.place([], 'value') ?? {}
    return {
      name, place: { file, line }, service: level?.service ?? null, budgeting: level?.budgeting ?? null,
      gates: level ? level.objectives.flatMap((objective, index) => gatesOf(level, objective, index)) : [],
      problems: refusals.flatMap(refusal => refusalProblems(documents, refusal)),
    }
  })
  return { slos, passedOver, problems: [...unreadable, ...issues.flatMap(issue => issueProblems(documents, issue))] }
}

/** The objective itself, and how fast its budget burns, in windows to begin with. */
function gatesOf(level: ServiceLevel, { displayName, budget, slice }: Objective, index: number): ShownGate[] {
  const several = level.objectives.length > 1
  const objective = several && displayName !== null ? { objective: displayName } : {}
  const name = gateName(level.name) + (several ? `-${index + 1}` : '')
  const max = Math.min(14.4, Number((0.5 / budget).toPrecision(3))) // half of what can burn at most, where the budget is large
  const windows = slice ? { long: printDuration(6 * slice.lengthMs), short: printDuration(slice.lengthMs) } : { long: '1m', short: '10s' }
  return [
    ...shownGate(level, { name, slo: { name: level.name, ...objective } }),
    ...shownGate(level, { name: `${name.slice(0, 58)}-burn`, burnRate: { slo: level.name, ...objective, max, ...windows } }),
  ]
}

/** None where the kind cannot be bound to it, such as a burn rate to slices of weeks, or objectives that cannot be told apart. */
function shownGate(level: ServiceLevel, gate: Record<string, object | string>): ShownGate[] {
  return [...gateKinds.values()].flatMap(({ kind, bound }) => {
    const written = bound.safeParse(gate[kind])
    const found = written.success ? written.data.slo?.bind(level) : undefined
    return found?.is === 'bound' ? [{ gate, rule: found.rule.description, promql: promqlOf(found.rule) }] : []
  })
}

const promqlOf = ({ query, range }: GateRule) => query({ run: '<run>', windowMs: range?.longestMs ?? 5_000 })

/** A gate's name is a label. */
const gateName = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, 52) || 'slo'

function printShown({ slos, passedOver, problems }: Shown): string {
  const blocks = slos.map(({ name, place: { file, line }, service, budgeting, gates, problems: own }) => [
    `${file}:${line} ${name}${budgeting === null ? '' : ` (${[...service === null ? [] : [`service ${service}`], budgeting].join(', ')})`}`,
    ...gates.flatMap(({ gate, rule, promql }) => [`  - ${flow(gate)}`, `      ${rule}`, ...promql.split('\n').map(text => `      ${text}`)]),
    ...(gates.length === 0 ? [`  cannot be a gate${own.length === 0 ? ': its objectives need a displayName each, by which one can be chosen' : ''}`] : []),
    ...own.map(problem => `  ${renderProblem(problem)}`),
  ].join('\n'))
  return [
    ...problems.map(renderProblem), ...blocks,
    ...(passedOver.length === 0 ? [] : [`passed over, since they say nothing of how a service is measured: ${passedOver.join(', ')}`]),
    ...(slos.length === 0 && problems.length === 0 ? ['no SLO'] : []),
  ].join('\n\n') + '\n'
}

const flow = (gate: object) => stringify(gate, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trim()
