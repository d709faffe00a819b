import junitReportBuilder, { type Builder } from 'junit-report-builder'
import type { Judgement } from '#shared/verdict.ts'
import { visible } from './markup.ts'

/** The package is CommonJS whose whole export is the builder; its types speak of a `default` that is not there. */
export const emptyReport = junitReportBuilder as unknown as Builder

/**
 * One test case a gate, and one each for the recovery, the reverts and the whole: failed is a failure, inconclusive an error. The whole has
 * its own, since a run can be inconclusive with every gate passed. Pure.
 */
export function printJunit(judgement: Judgement): string {
  const suiteName = visible(judgement.experiment || judgement.run || 'unreadable run')
  const builder = emptyReport.newBuilder()
  const suite = builder.testSuite().name(suiteName)
  const add = (className: string, name: string, { is, why }: Outcome) => {
    const testCase = suite.testCase().className(visible(className)).name(visible(name))
    if (is === 'failed') testCase.failure(visible(why))
    if (is === 'inconclusive') testCase.error(visible(why))
  }
  for (const { name, phase, verdict, evidence } of judgement.gates) add(`${suiteName}.${phase}`, name, { is: verdict, why: evidence })
  if (judgement.recovery) add(suiteName, 'recovery', recoveryOutcome(judgement, judgement.recovery))
  add(suiteName, 'revert', judgement.revertUnconfirmed
    ? { is: 'inconclusive', why: judgement.reasons.filter(reason => reason.includes('revert')).join('\n') }
    : { is: 'passed', why: '' })
  add(suiteName, 'verdict', { is: judgement.verdict, why: judgement.reasons.join('\n') })
  return builder.build()
}

interface Outcome { is: Judgement['verdict']; why: string }

function recoveryOutcome({ gates, verdict }: Judgement, recovery: NonNullable<Judgement['recovery']>): Outcome {
  if (recovery.met) return { is: 'passed', why: '' }
  // A run fails by a gate of the during phase or by its recovery, and by nothing else.
  const isMissed = verdict === 'failed' && !gates.some(gate => gate.phase === 'during' && gate.verdict === 'failed')
  const why = ['the recovery was not seen', ...recovery.evidence].join('\n')
  return { is: isMissed ? 'failed' : 'inconclusive', why }
}
