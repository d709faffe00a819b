import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { dnsLabel } from '#shared/units.ts'
import { preflightChecks, type Check, type Seen } from '../preflight-checks.ts'
import { messageOf } from '#shared/errors.ts'
import { clusterFinding } from '../cluster-finding.ts'
import { defineStep, type Bar } from '../step.ts'

/** What nodes tell of themselves with a heartbeat, every 10 s at the least: an image that has just been loaded is not told yet. */
const toldLate: ReadonlySet<Check> = new Set(['nodes', 'metrics', 'images'])
const toldWithinMs = 30_000
const lookEveryMs = 2_000

const names = Object.keys(preflightChecks) as [Check, ...Check[]]

export default defineStep({
  kind: 'preflight',
  summary: 'Checks what the campaign needs before anything is started',
  documentation: `
Each check is a bar, and all are made, so that everything that is missing is told at once. \`cluster\`: it answers, as version 1.30 or later.
\`permissions\`: what the campaign does, it may do. \`nodes\`: so many are Ready. \`capacity\`: so much CPU and memory is allocatable on them.
\`metrics\`: the metrics API has figures of every node, which the autoscaler needs. \`images\`: images that come from no registry are on every node.
\`agents\`: faultline's services are available, and an agent is on every node. \`opt-in\`: the namespaces, and so many nodes, bear the label faultline.dev/chaos=allowed.
What nodes tell with their heartbeats (nodes, metrics, images) is waited for, 30 s at most. It changes nothing.`,
  timeoutMs: 2 * 60_000,
  parameters: z.strictObject({
    checks: z.array(z.enum(names)).min(1).default(['cluster', 'permissions', 'nodes', 'capacity', 'metrics']).describe('Which; those that need faultline or the system come after they were brought in'),
    nodes: z.int().min(1).max(1_000).default(1).describe('Least number of Ready nodes'),
    cpus: z.number().min(0).max(100_000).default(0).describe('Least allocatable CPUs, of all nodes together'),
    memoryGiB: z.number().min(0).max(1_000_000).default(0).describe('Least allocatable memory, of all nodes together'),
    images: z.array(z.string().min(1).max(300)).max(50).default([]).describe('Names below faultline/, such as shop'),
    namespaces: z.array(dnsLabel()).max(50).default([]).describe('That must have opted in'),
    optedInNodes: z.int().min(0).max(1_000).default(0).describe('Least number of nodes that have opted in'),
  }),
  async run({ checks, ...demands }, context) {
    context.findings.cluster = await clusterFinding(context.kubeConfig).catch(() => null)
    const bars: Bar[] = []
    for (const check of checks) {
      const seen = await settled(() => preflightChecks[check](demands, context).catch((error: unknown): Seen => ({ required: 'can be looked at', measured: messageOf(error), met: false })),
        toldLate.has(check), context.signal)
      context.say(`${seen.met ? 'ok' : 'NOT MET'}  ${check}: ${seen.measured}`)
      bars.push({ name: `preflight, ${check}`, ...seen })
    }
    const unmet = bars.filter(({ met }) => !met)
    return { verdict: unmet.length === 0 ? 'passed' : 'failed', why: unmet.length === 0 ? `${bars.length} checks` : unmet.map(({ name, measured }) => `${name}: ${measured}`).join('; '), bars }
  },
})

/** What is seen at the first look that finds the demand met; at the last one, where none does in time. */
async function settled(look: () => Promise<Seen>, isToldLate: boolean, signal: AbortSignal): Promise<Seen> {
  const untilMs = performance.now() + (isToldLate ? toldWithinMs : 0)
  for (;;) {
    const seen = await look()
    if (seen.met || performance.now() >= untilMs || signal.aborted) return seen
    await delay(lookEveryMs, undefined, { signal }).catch(() => undefined)
  }
}
