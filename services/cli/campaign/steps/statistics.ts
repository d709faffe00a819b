import { z } from 'zod'
import { dnsLabel } from '#shared/units.ts'
import { statisticsBar } from '../statistics.ts'
import { defineStep } from '../step.ts'

export default defineStep({
  kind: 'statistics',
  summary: 'Collects Locust\'s own statistics of the load step, and compares them with the exact counts',
  documentation: `
Locust's figures, as its web interface gives them after its stop, become \`locust-stats.json\`. They come from another path than the counts that gates
and SLA are judged by: the bar is that the two agree on the number of requests.`,
  timeoutMs: 60_000,
  parameters: z.strictObject({
    load: dnsLabel().describe('The load step'),
    within: z.number().min(0).max(1).default(0.02).describe('By how much of the one count the other may differ'),
  }),
  refersTo: ({ load }) => [load],
  run({ load, within }, { findings }) {
    const bar = statisticsBar(findings.runs.find(({ step }) => step === load), within)
    return Promise.resolve({ verdict: bar.met ? 'passed' : 'failed', why: `${bar.name}: ${bar.measured}`, bars: [bar] })
  },
})
