import { z } from 'zod'
import { percent } from '#shared/gate-share.ts'
import { messageOf } from '#shared/errors.ts'
import { dnsLabel, duration, printDuration, ratio } from '#shared/units.ts'
import { readAuditSpan } from '../audit-log.ts'
import type { RecordedHpa } from '../findings.ts'
import { figuresIn, spansOf, transitions, type HpaPoint } from '../hpa-transitions.ts'
import { followHpa } from '../hpa-watch.ts'
import { scalings } from '../manual-steps.ts'
import { defineStep, type Bar, type StepContext } from '../step.ts'

export default defineStep({
  kind: 'hpa-watch',
  summary: 'Watches an autoscaler go a way such as 3, 10, 3 under load steps beside it',
  documentation: `
Looks every second at the autoscaler and at what it scales until the whole way was seen, or until \`within\` after the end of the last load step. Bars: each
transition was seen; the load's p95 and failed requests in each of them; and that nobody but the autoscaler's own controller has scaled, which
the API server's audit log says: without one, that is not measured and so not met. It changes nothing.`,
  timeoutMs: 90 * 60_000,
  parameters: z.strictObject({
    beside: z.array(dnsLabel()).min(1).max(20).describe('The load steps beside it'),
    namespace: dnsLabel().describe('Of the autoscaler'),
    autoscaler: dnsLabel().describe('Name of the HorizontalPodAutoscaler'),
    deployment: dnsLabel().describe('What it scales'),
    path: z.array(z.int().min(1).max(10_000)).min(2).max(20).default([3, 10, 3]).describe('Numbers of pods, in order'),
    within: duration({ minMs: 1_000 }).default(300_000).describe('How long after the end of the last load the way may take'),
    p95: duration({ minMs: 1 }).describe('Greatest p95 of the response time in each transition'),
    failures: ratio().describe('Greatest share of failed requests in each transition'),
  }),
  refersTo: ({ beside }) => beside,
  async run(parameters, context) {
    const { beside, namespace, autoscaler, deployment, path, within } = parameters
    const points = await follow(context, { namespace, name: autoscaler, path, beside, withinMs: within })
    await Promise.all(beside.map(step => context.ended(step)))
    const seen = transitions(points, path)
    const samples = context.findings.runs.filter(({ step }) => beside.includes(step)).flatMap(({ facts }) => facts.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : []))
    const recorded: RecordedHpa = { step: context.step, namespace, name: autoscaler, deployment, path, points, transitions: seen, figures: figuresIn(samples, spansOf(seen)) }
    context.findings.hpa.push(recorded)
    const bars = [...barsOf(recorded, parameters), await scalingBar(recorded, context)]
    const unmet = bars.filter(({ met }) => !met)
    return { verdict: unmet.length === 0 ? 'passed' : 'failed', why: unmet.length === 0 ? `${path.join(' -> ')} was seen` : unmet.map(({ name, measured }) => `${name}: ${measured}`).join('; '), bars }
  },
})

/** Every point until the whole way was seen, or time is over. */
async function follow({ kubeConfig, signal, say, ended }: StepContext, { namespace, name, path, beside, withinMs }: { namespace: string; name: string; path: readonly number[]; beside: readonly string[]; withinMs: number }): Promise<HpaPoint[]> {
  const points: HpaPoint[] = []
  const enough = new AbortController()
  let patience: NodeJS.Timeout | undefined
  let isLoadOver = false
  const whenLoadIsOver = async () => {
    await Promise.all(beside.map(step => ended(step)))
    isLoadOver = true
    patience = setTimeout(() => enough.abort(), withinMs)
  }
  void whenLoadIsOver()
  try {
    for await (const point of followHpa({ kubeConfig, namespace, name, signal: AbortSignal.any([signal, enough.signal]) })) {
      const before = points.at(-1)
      points.push(point)
      if (before?.desired !== point.desired) say(`${point.desired} pods wanted, ${point.ready} ready, CPU ${point.cpuPercent ?? '?'} %`)
      const next = transitions(points, path).find(({ is }) => is !== 'seen')
      if (!next || (isLoadOver && next.to > next.from)) break // without load nothing goes up any more
    }
  } finally {
    clearTimeout(patience)
  }
  return points
}

function barsOf({ transitions: seen, figures }: RecordedHpa, { p95, failures }: { p95: number; failures: number }): Bar[] {
  return seen.flatMap((transition): Bar[] => {
    const way = `${transition.from} -> ${transition.to}`
    const found = figures.find(({ name }) => name === way)
    const missing = 'not measured: no request in it'
    return [
      { name: `${way} pods`, required: 'seen', measured: transition.is === 'seen' ? `took ${(transition.tookMs / 1_000).toFixed(1)} s` : transition.why, met: transition.is === 'seen' },
      { name: `${way}, p95`, required: `at most ${printDuration(p95)}`, measured: found?.p95Ms === null || !found ? missing : `${found.p95Ms} ms`, met: found !== undefined && found.p95Ms !== null && found.p95Ms <= p95 },
      {
        name: `${way}, failed requests`, required: `at most ${percent(failures)}`,
        measured: !found || found.requests === 0 ? missing : `${percent(found.failures / found.requests)} (${found.failures} of ${found.requests})`,
        met: found !== undefined && found.requests > 0 && found.failures / found.requests <= failures,
      },
    ]
  })
}

async function scalingBar({ points, namespace, deployment }: RecordedHpa, { settings: { auditLog } }: StepContext): Promise<Bar> {
  const bar = { name: 'scaled by the autoscaler alone', required: '0 calls by anybody else' }
  const [fromMs = 0, toMs = 0] = [points[0]?.atMs, points.at(-1)?.atMs]
  if (auditLog === undefined) return { ...bar, measured: 'not measured: there is no audit log to count them in; --audit-log names one', met: false }
  try {
    const { byAutoscaler, byOthers } = scalings(await readAuditSpan(auditLog, { fromMs, toMs }), { fromMs, toMs }, { namespace, name: deployment })
    const others = byOthers.map(({ by, what }) => `${by}: ${what}`).join('; ')
    return { ...bar, measured: `${byOthers.length} by others, ${byAutoscaler} by the autoscaler${others && `: ${others}`}`, met: byOthers.length === 0 && byAutoscaler > 0 }
  } catch (error) {
    return { ...bar, measured: `not measured: ${messageOf(error)}`, met: false }
  }
}
