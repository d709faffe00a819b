import type { ExperimentDecision, ReleaseDecision } from '#shared/release-check.ts'
import { printDuration } from '#shared/units.ts'
import { emptyReport } from '../report/junit.ts'
import { visible } from '../report/markup.ts'
import { table, text } from '../report/report-markdown.ts'

/** One line of judgement, then one for each experiment, then what else blocks. Pure. */
export function printRelease(decision: ReleaseDecision): string {
  const { experiments } = decision
  const width = Math.max(0, ...experiments.map(({ experiment }) => experiment.length))
  return [
    `${decision.decision}  ${headline(decision)}`,
    ...experiments.map(found => `  ${found.decision.padEnd(5)}  ${found.experiment.padEnd(width)}  ${found.why}${found.decision === 'pass' ? `, ${ago(found)}` : ''}`),
    ...otherReasons(decision).map(reason => `  block  ${reason}`),
  ].map(line => `${visible(line).replaceAll(/\s*\n\s*/g, ' ')}\n`).join('')
}

/** For a comment on a pull request: what comes of it, why, and each experiment. Pure. */
export function printReleaseMarkdown(decision: ReleaseDecision): string {
  return [
    `### Release check: ${decision.passed ? '✅' : '⛔'} ${text(headline(decision))}`, '',
    ...decision.reasons.map(reason => `- ${text(reason)}`), ...decision.reasons.length > 0 ? [''] : [],
    ...(decision.experiments.length === 0 ? [] : table(['experiment', 'decision', 'verdict', 'versions seen', 'ended', 'run'], decision.experiments.map(found => [
      text(found.experiment), found.decision === 'pass' ? 'pass' : '**block**', found.verdict ?? '–', found.versions.map(text).join(', ') || '–', ago(found), found.run === null ? '–' : text(found.run),
    ]))),
  ].join('\n')
}

/** A case for each experiment, and one for the whole: what failed is a failure, what nobody knows is an error. Pure. */
export function printReleaseJunit(decision: ReleaseDecision): string {
  const builder = emptyReport.newBuilder()
  const name = visible(`release ${decision.app} ${decision.version}`)
  const suite = builder.testSuite().name(name)
  for (const { experiment, decision: its, verdict, why } of decision.experiments) {
    const testCase = suite.testCase().className(name).name(visible(experiment))
    if (its === 'block' && verdict === 'failed') testCase.failure(visible(why))
    else if (its === 'block') testCase.error(visible(why))
  }
  const whole = suite.testCase().className(name).name('release')
  if (!decision.passed) whole.failure(visible(decision.reasons.join('\n')))
  return builder.build()
}

function headline({ passed, app, version, withinMs }: ReleaseDecision): string {
  return passed ? `${app} ${version} may go out: every required experiment passed on it within ${printDuration(withinMs)}` : `${app} ${version} must not go out`
}

/** Those that no line of an experiment tells. */
function otherReasons({ reasons, experiments }: ReleaseDecision): string[] {
  const told = new Set(experiments.map(({ experiment, why }) => `${experiment}: ${why}`))
  return reasons.filter(reason => !told.has(reason))
}

/** To the minute, where it is more than one. */
function ago({ ageMs }: ExperimentDecision): string {
  if (ageMs === null) return '–'
  const stepMs = ageMs < 60_000 ? 1_000 : 60_000
  return ageMs < 1_000 ? 'just now' : `${printDuration(Math.floor(ageMs / stepMs) * stepMs)} ago`
}
