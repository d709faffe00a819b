import junitReportBuilder, { type Builder } from 'junit-report-builder'
import type { Judgement } from '#shared/verdict.ts'

// The package's types describe an ES module; what Node gets is CommonJS, whose only export is the builder itself.
const junit = junitReportBuilder as unknown as Builder

/** One test case a gate, one for the recovery and one for the reverts: failed is a failure, inconclusive an error. Pure. */
export function printJunit(judgement: Judgement): string {
  const builder = junit.newBuilder()
  const suite = builder.testSuite().name(judgement.experiment)
  for (const gate of judgement.gates) {
    const testCase = suite.testCase().className(`${judgement.experiment}.${gate.phase}`).name(gate.name)
    if (gate.verdict === 'failed') testCase.failure(gate.evidence)
    if (gate.verdict === 'inconclusive') testCase.error(gate.evidence)
  }
  const run = suite.testCase().className(judgement.experiment).name('verdict')
  if (judgement.verdict === 'failed') run.failure(judgement.reasons.join('\n'))
  if (judgement.verdict === 'inconclusive') run.error(judgement.reasons.join('\n'))
  const reverts = suite.testCase().className(judgement.experiment).name('every fault is confirmed as reverted')
  if (judgement.revertUnconfirmed) reverts.error('a revert was not confirmed; its target is quarantined')
  return builder.build()
}
