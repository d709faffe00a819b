import { z } from 'zod'
import { defineGate } from '#shared/gate.ts'
import { bucketAt, complement, countBlock, loadShareQuery, measureShare, onlyByPrometheus, ownSlowShareQuery, percent, selector } from '#shared/gate-share.ts'
import { loadMetrics } from '#shared/load-metrics.ts'
import { duration, printDuration } from '#shared/units.ts'

export default defineGate({
  kind: 'latency',
  summary: 'Share of requests slower than a limit, such as p95 at most 500 ms',
  documentation: `
\`{quantile: 0.95, max: 500ms}\` breaks when more than 5 % of the requests took longer than 500 ms: the same as "p95 above 500 ms", but exact
and with a count. A request in flight longer than \`max\` is slow already and counts now. Requests that fail count too, by the time they
took: a fast failure is fast, so pair this with an errorRate gate.

From Prometheus it reads the load generator's histogram, or your own when you give \`histogram\` (base name, without \`_bucket\`, with labels if
you like); yours needs a bucket at exactly \`max\`, and without it the gate has no data. With a \`limit\` the buckets on both sides of \`max\` are
taken, and a native histogram will do: what lies between them speaks neither for a breach nor for a pass.`,
  sources: ['stream', 'prometheus'],
  parameters: z.strictObject({
    quantile: z.number().gt(0).lt(1).describe('The share that must be fast enough, such as 0.95'),
    max: duration({ minMs: 1 }).describe('Longest response time that is fast enough'),
    histogram: selector().optional().describe('Prometheus: base name of your histogram in seconds'),
  }),
  rule: ({ quantile, max, histogram }) => {
    const limit = { value: complement(quantile), breaksWhen: 'above', unit: 'ratio' } as const
    const description = `at most ${percent(limit.value)} of requests slower than ${printDuration(max)} (p${Number((quantile * 100).toPrecision(6))})`
    return {
      description, limit,
      ...(histogram === undefined
        ? { overdueAfterMs: max, requests: { budget: limit.value, overdueAfterMs: max, failedIsBad: false, description } }
        : { counters: { is: 'histogram' as const, histogram, maxMs: max, budget: limit.value, description } }),
      readsLoadMetrics: histogram === undefined,
      measure: block => histogram === undefined ? measureShare(limit, countBlock(block, max, (_outcome, ms) => ms > max), 'bad') : onlyByPrometheus,
      query: context => histogram === undefined ? loadQuery(context, max) : ownSlowShareQuery({ histogram, maxMs: max }, context.windowMs),
    }
  },
})

function loadQuery(context: { run: string; windowMs: number }, maxMs: number): string {
  const ended = (suffix: string, labels: string) => `sum(increase(${loadMetrics.duration}${suffix}{run="${context.run}"${labels}}[${context.windowMs}ms]))`
  return loadShareQuery(context, maxMs, `(${ended('_count', '')} - ${ended('_bucket', `,${bucketAt(maxMs)}`)})`)
}
