import { z } from 'zod'
import { defineGate } from '#shared/gate.ts'
import { countBlock, loadShareQuery, measureShare, onlyByPrometheus, ownShareQuery, percent, selector } from '#shared/gate-share.ts'
import { loadMetrics } from '#shared/load-metrics.ts'
import { duration, printDuration, ratio } from '#shared/units.ts'

export default defineGate({
  kind: 'errorRate',
  summary: 'Share of requests that fail',
  documentation: `
Breaks when more than \`max\` of the requests failed. A request in flight longer than \`timeout\` counts as failed now: stalled users
send nothing else, so what is waiting is the evidence. It counts again as what it becomes when it ends; with a \`limit\` it counts once, and
stays failed.

From Prometheus it reads the load generator's metrics, or your own counters when you give \`total\` and \`bad\` (PromQL selectors). Your
own counters know nothing of requests in flight, nor of requests that never arrived. With a \`limit\` what they have counted is the evidence.`,
  sources: ['stream', 'prometheus'],
  parameters: z.strictObject({
    max: ratio().describe('Largest share of failed requests that holds, such as 1%'),
    timeout: duration({ minMs: 100 }).default(2_000).describe('A request in flight longer than this counts as failed'),
    total: selector().optional().describe('Prometheus: your counter of all requests'),
    bad: selector().optional().describe('Prometheus: your counter of failed requests'),
  }).refine(({ total, bad }) => (total === undefined) === (bad === undefined), 'both total and bad, or neither'),
  rule: ({ max, timeout, total, bad }) => {
    const limit = { value: max, breaksWhen: 'above', unit: 'ratio' } as const
    const own = total !== undefined && bad !== undefined ? { total, bad } : undefined
    const description = `at most ${percent(max)} failed requests${own ? '' : `, those waiting longer than ${printDuration(timeout)} included`}`
    return {
      description, limit,
      ...(own
        ? { counters: { is: 'pair' as const, ...own, budget: max, description } }
        : { overdueAfterMs: timeout, requests: { budget: max, overdueAfterMs: timeout, failedIsBad: true, description } }),
      readsLoadMetrics: !own,
      measure: block => own ? onlyByPrometheus : measureShare(limit, countBlock(block, timeout, outcome => outcome === 'failed'), 'bad'),
      query: context => own
        ? ownShareQuery(own, context.windowMs)
        : loadShareQuery(context, timeout, `sum(increase(${loadMetrics.requests}{run="${context.run}",outcome="failed"}[${context.windowMs}ms]))`),
    }
  },
})
