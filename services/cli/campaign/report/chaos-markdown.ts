import { printMs, printSince } from '../../report/figures.ts'
import { table, text } from '../../report/report-markdown.ts'
import { reportOf } from '../../report/run-report.ts'
import type { RecordedRun } from '../findings.ts'
import type { CampaignReport } from './campaign-report.ts'

/** `chaos-report.md`: of each experiment with a fault what was asked, what was done, and what was seen. Pure. */
export function printChaosMarkdown({ outcome, findings }: CampaignReport): string {
  const experiments = findings.runs.filter(({ purpose }) => purpose === 'experiment')
  return [
    `# Chaos report of ${text(outcome.run)}`, '',
    ...(experiments.length === 0 ? ['No experiment with a fault was run.', ''] : experiments.flatMap(sectionOf)),
  ].join('\n')
}

function sectionOf(recorded: RecordedRun): string[] {
  const { step, repetition, judgement, facts, run } = recorded
  const { purpose, startMs } = reportOf(facts, judgement)
  const since = (atMs: number | null) => atMs === null ? '–' : printSince(startMs, atMs)
  return [
    `## ${text(step)}${repetition > 1 ? `, run ${repetition}` : ''}: ${judgement.verdict}`, '',
    `Run ${text(run)}.${purpose === undefined ? '' : ` ${text(purpose)}`}`, '',
    ...judgement.reasons.map(reason => `- ${text(reason)}`), '',
    ...table(['fault', 'node', 'targets', 'injected', 'reverted', 'verified'], judgement.faults.map(fault => [
      text(fault.id), text(fault.node) || '–', fault.targets.map(text).join('<br>') || '–', since(fault.injectedAtMs), since(fault.revertedAtMs), fault.verified ? 'yes' : '**no**',
    ])),
    ...(judgement.probes.length === 0 ? [] : table(['probe', 'seen from', 'attempts', 'failed', 'recovery time', 'acknowledged', 'lost'], judgement.probes.map(probe => [
      text(probe.name), `${text(probe.node)}${probe.counts ? '' : ' (does not count)'}`, String(probe.attempts), String(probe.failures), probe.steady ? printMs(probe.recoveryTimeMs) : '**not steady**',
      String(probe.ledger?.acknowledged ?? '–'), String(probe.ledger?.missing ?? '–'),
    ]))),
    ...table(['gate', 'phase', 'verdict', 'evidence'], judgement.gates.map(gate => [text(gate.name), gate.phase, `**${gate.verdict}**`, text(gate.evidence)])),
  ]
}
