import { emptyReport } from '../../report/junit.ts'
import { visible } from '../../report/markup.ts'
import type { CampaignOutcome } from '../outcome.ts'

/** One suite a step, with a case for the step and one for each of its bars: failed is a failure, inconclusive and not over are errors. Pure. */
export function printCampaignJunit({ campaign, steps }: CampaignOutcome): string {
  const builder = emptyReport.newBuilder()
  for (const { name, kind, verdict, why, bars, startedMs, endedMs } of steps) {
    const className = visible(`${campaign}.${name}`)
    const suite = builder.testSuite().name(className)
    const testCase = suite.testCase().className(className).name(visible(`${name} (${kind})`))
    if (startedMs !== null && endedMs !== null) testCase.time((endedMs - startedMs) / 1_000)
    if (verdict === 'failed') testCase.failure(visible(why))
    if (verdict === 'inconclusive' || verdict === 'not over') testCase.error(visible(why))
    if (verdict === 'skipped') testCase.skipped()
    for (const bar of bars) {
      const barCase = suite.testCase().className(className).name(visible(bar.name))
      if (!bar.met) barCase.failure(visible(`${bar.measured}; required: ${bar.required}`))
    }
  }
  return builder.build()
}
