import { percent } from '#shared/gate-share.ts'
import { printInstant, printMs } from '../../report/figures.ts'
import { table, text } from '../../report/report-markdown.ts'
import { printSpan, type CampaignReport } from './campaign-report.ts'

/** `report.md` of a campaign: the verdict, every bar, every step, and what was measured. Pure. */
export function printCampaignMarkdown({ outcome, findings, description }: CampaignReport): string {
  const { campaign, profile, run, verdict, reasons, startMs, endMs, steps } = outcome
  const bars = steps.flatMap(({ name, bars: its }) => its.map(bar => ({ step: name, ...bar })))
  return [
    `# ${text(campaign)}: ${verdict}`, '',
    `Run ${text(run)}, profile ${text(profile)}, ${printInstant(startMs)} to ${printInstant(endMs)} (${printSpan(startMs, endMs)}).`, '',
    ...(description === undefined ? [] : [text(description), '']),
    ...reasons.map(reason => `- ${text(reason)}`), '',
    '## Bars', '',
    ...(bars.length === 0 ? ['No step has come to any.', ''] : table(['bar', 'required', 'measured', 'met', 'step'], bars.map(bar => [text(bar.name), text(bar.required), text(bar.measured), bar.met ? 'yes' : '**no**', text(bar.step)]))),
    '## Steps', '',
    ...table(['step', 'kind', 'verdict', 'took', 'what was seen'], steps.map(step => [text(step.name), text(step.kind), `**${step.verdict}**`, printSpan(step.startedMs, step.endedMs), text(step.why)])),
    '## Experiments', '',
    ...(findings.runs.length === 0 ? ['None was run.', ''] : table(['step', 'run', 'verdict', 'requests', 'failed', 'p95', 'report'], findings.runs.map(({ step, run: name, judgement, folder }) => [
      text(step), text(name), `**${judgement.verdict}**`, judgement.load ? judgement.load.requests.toLocaleString('en-US') : '–',
      judgement.load && judgement.load.requests > 0 ? percent(judgement.load.failures / judgement.load.requests) : '–', printMs(judgement.load?.p95Ms ?? null), `[${text(name)}](${encodeURI(folder)}/report.html)`,
    ]))),
    '## Autoscaling', '',
    ...(findings.hpa.length === 0 ? ['No autoscaler was watched.', ''] : findings.hpa.flatMap(({ namespace, name, transitions, figures }) => [
      `${text(namespace)}/${text(name)}:`, '',
      ...table(['transition', 'took', 'requests', 'failed', 'p95'], transitions.map(transition => {
        const found = figures.find(figure => figure.name === `${transition.from} -> ${transition.to}`)
        return [
          text(`${transition.from} -> ${transition.to}`), transition.is === 'seen' ? printSpan(transition.startedAtMs, transition.endedAtMs) : text(transition.why),
          String(found?.requests ?? '–'), found && found.requests > 0 ? percent(found.failures / found.requests) : '–', printMs(found?.p95Ms ?? null),
        ]
      })),
    ])),
    '## Cluster', '',
    ...(findings.cluster === null ? ['It was not looked at.', ''] : [
      `Kubernetes ${text(findings.cluster.version)}, context ${text(findings.cluster.context)}.`, '',
      ...table(['node', 'CPUs', 'memory', 'kernel', 'runtime'], findings.cluster.nodes.map(node => [text(node.name), text(node.cpu), text(node.memory), text(node.kernel), text(node.runtime)])),
    ]),
  ].join('\n')
}
