import { percent } from '#shared/gate-share.ts'
import { mostFailedShown } from './failed-requests.ts'
import { printInstant, printMs, printSince } from './figures.ts'
import { visible } from './markup.ts'
import { probeHead, probeRows } from './probe-report.ts'
import { recordRows, type RunReport } from './run-report.ts'

/** `report.md`: what a person needs in a pull request or a job summary. Pure. */
export function printReportMarkdown(report: RunReport): string {
  const { judgement, purpose, startMs, endMs, calibration, failedRequests, timeline, environment } = report
  const { experiment, run, verdict, reasons, gates, faults, timings, load, recovery } = judgement
  const timing = (name: 'breachToAbortMs' | 'breachToRevertedMs' | 'firstBadToRevertedMs') => timings[name] === null ? `– (${text(timings.why[name] ?? 'not known')})` : printMs(timings[name])
  const since = (atMs: number | null | undefined) => atMs === null || atMs === undefined ? '–' : printSince(startMs, atMs)
  return [
    `# ${text(experiment || 'unreadable run')}: ${verdict}`, '',
    `Run ${text(run)}, ${printInstant(startMs)} to ${printInstant(endMs)}.`, '',
    ...(purpose === undefined ? [] : [text(purpose), '']),
    ...reasons.map(reason => `- ${text(reason)}`), '',
    '## Timings', '',
    ...table(['what', 'how long'], [
      ['breach to abort', timing('breachToAbortMs')],
      ['breach to reverted', timing('breachToRevertedMs')],
      ['first bad request to reverted', timing('firstBadToRevertedMs')],
      ...(recovery ? [[`recovery (required within ${printMs(recovery.requiredWithinMs)})`, recovery.met ? printMs(recovery.recoveredInMs) : 'not seen']] : []),
    ]),
    '## Gates', '',
    ...table(['gate', 'phase', 'source', 'verdict', 'evidence'], gates.map(gate => [text(gate.name), gate.phase, gate.source, `**${gate.verdict}**`, text(gate.evidence)])),
    ...(calibration === undefined ? [] : [[text(calibration.says), ...calibration.doubts.map(doubt => `**${text(doubt)}**`)].join(' '), '']),
    '## Faults', '',
    ...(recovery === null ? ['The experiment has none: its gates judged the hold.', ''] : table(['fault', 'node', 'targets', 'injected', 'reverted', 'verified', 'ended by'], faults.map(fault => [
      text(fault.id), text(fault.node) || '–', fault.targets.map(text).join('<br>') || '–', since(fault.injectedAtMs), since(fault.revertedAtMs), fault.verified ? 'yes' : '**no**', text(fault.cause ?? '–'),
    ]))),
    '## Load', '',
    ...(load === null ? ['The experiment has no load of its own.', ''] : table(['users', 'requests', 'failures', 'requests/s', 'p50', 'p95', 'all users reached'], [[
      String(load.users), String(load.requests), `${load.failures}${load.requests > 0 ? ` (${percent(load.failures / load.requests)})` : ''}`,
      String(load.requestsPerSecond ?? '–'), printMs(load.p50Ms), printMs(load.p95Ms), load.reached ? 'yes' : '**no**',
    ]])),
    ...(failedRequests.length === 0 ? [] : table(['failed requests', 'how', 'times'], failedRequests.slice(0, mostFailedShown).map(({ request, error, count }) => [text(request), text(error), String(count)]))),
    ...(judgement.probes.length === 0 ? [] : ['## Probes', '', ...table(probeHead, probeRows(judgement).map(row => row.map(text)))]),
    '## Recovery', '',
    ...(recovery === null ? ['The experiment has no faults to recover from.'] : recovery.evidence.length > 0 ? recovery.evidence.map(line => `- ${text(line)}`) : ['Nothing of it was seen.']), '',
    '## Timeline', '',
    ...table(['at', 'fact'], timeline.map(entry => [since(entry.atMs), text(entry.text)])),
    '## Decision record', '',
    ...table(['what', 'value'], recordRows(report.record).map(({ name, value }) => [name, text(value)])),
    '## Environment', '',
    ...table(['what', 'value'], environment.map(({ name, value }) => [name, text(value)])),
  ].join('\n')
}

export function table(head: string[], rows: string[][]): string[] {
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [row(head), row(head.map(() => '---')), ...rows.map(row), '']
}

/** Others' words on one line, with nothing in them that Markdown or HTML would act on (CommonMark, "Backslash escapes"). */
export function text(words: string): string {
  return visible(words).replace(/\s+/g, ' ').replace(/[\\`*_[\]<>|#~&!]/g, character => `\\${character}`)
}
