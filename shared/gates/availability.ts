import { z } from 'zod'
import { defineGate } from '#shared/gate.ts'
import { complement, countBlock, loadShareQuery, measureShare, onlyByProbe, onlyByPrometheus, ownShareQuery, percent, selector } from '#shared/gate-share.ts'
import { judgeProbe, probeName } from '#shared/gate-probe.ts'
import { loadMetrics } from '#shared/load-metrics.ts'
import { duration, printDuration, ratio } from '#shared/units.ts'

export default defineGate({
  kind: 'availability',
  summary: 'Share of attempted requests that are acknowledged',
  documentation: `
Breaks when fewer than \`min\` of the attempted requests were acknowledged. Attempted are those that ended and those that have waited longer
than \`timeout\`; a late acknowledgement counts as one when it comes. With a
\`limit\` each request counts once, and what was not acknowledged in time stays so.

From Prometheus it reads the load generator's metrics, or your own counters when you give \`total\` and \`bad\` (PromQL selectors). A
service's own counters cannot see the requests that did not reach it: prefer the client's. With a \`limit\` what they have counted is the evidence.

With \`probe\`, it is the share of the probe's attempts that succeeded, from the first to the last, over all probers that count.`,
  sources: ['stream', 'prometheus', 'probe'],
  parameters: z.strictObject({
    min: ratio().describe('Smallest share of acknowledged requests that holds, such as 99.9%'),
    timeout: duration({ minMs: 100 }).default(1_000).describe('A request in flight longer than this counts as not acknowledged'),
    total: selector().optional().describe('Prometheus: your counter of all requests'),
    bad: selector().optional().describe('Prometheus: your counter of requests that were not acknowledged'),
    probe: probeName().optional(),
  }).refine(({ total, probe }) => total === undefined || probe === undefined, 'either probe, or total and bad').refine(({ total, bad }) => (total === undefined) === (bad === undefined), 'both total and bad, or neither'),
  rule: ({ min, timeout, total, bad, probe }) => {
    const limit = { value: min, breaksWhen: 'below', unit: 'ratio' } as const
    if (probe !== undefined) {
      return {
        description: `at least ${percent(min)} of the attempts of ${probe} succeed`,
        limit, ...onlyByProbe,
        probe: {
          name: probe,
          judge: figures => judgeProbe(limit, figures, {
            value: figures.attempts === 0 ? undefined : (figures.attempts - figures.failures) / figures.attempts,
            words: value => `${percent(value)} (${figures.failures} failed of ${figures.attempts} attempts)`,
          }),
        },
      }
    }
    const own = total !== undefined && bad !== undefined ? { total, bad } : undefined
    const acknowledged = `at least ${percent(min)} of attempted requests acknowledged`
    const inTime = `${acknowledged} within ${printDuration(timeout)}`
    return {
      description: own ? acknowledged : `${inTime}, or later but in the end`,
      limit,
      ...(own
        ? { counters: { is: 'pair' as const, ...own, budget: complement(min), description: acknowledged } }
        : { overdueAfterMs: timeout, requests: { budget: complement(min), overdueAfterMs: timeout, failedIsBad: true, description: inTime } }),
      readsLoadMetrics: !own,
      measure: block => own ? onlyByPrometheus : measureShare(limit, countBlock(block, timeout, outcome => outcome === 'failed'), 'good'),
      query: context => {
        const failed = own
          ? ownShareQuery(own, context.windowMs)
          : loadShareQuery(context, timeout, `sum(increase(${loadMetrics.requests}{run="${context.run}",outcome="failed"}[${context.windowMs}ms]))`)
        return `1 - (${failed})`
      },
    }
  },
})
