import { z } from 'zod'
import { dnsLabel } from '#shared/units.ts'
import { preflightChecks, type Check, type Seen } from '../preflight-checks.ts'
import { messageOf } from '#shared/errors.ts'
import { clusterFinding } from '../cluster-finding.ts'
import { defineStep, type Bar } from '../step.ts'

const names = Object.keys(preflightChecks) as [Check, ...Check[]]

export default defineStep({
  kind: 'preflight',
  summary: 'Checks what the campaign needs before anything is started',
  documentation: `
Each check is a bar, and all are made, so that everything that is missing is told at once. \`cluster\`: it answers, as version 1.30 or later.
\`permissions\`: what the campaign does, it may do. \`nodes\`: so many are Ready. \`capacity\`: so much CPU and memory is allocatable on them.
\`metrics\`: the metrics API has figures of every node, which the autoscaler needs. \`images\`: images that come from no registry are on every node.
\`agents\`: faultline's services are available, and an agent is on every node. \`opt-in\`: the namespaces, and so many nodes, bear the label faultline.dev/chaos=allowed.
It changes nothing.`,
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
      const seen = await preflightChecks[check](demands, context).catch((error: unknown): Seen => ({ required: 'can be looked at', measured: messageOf(error), met: false }))
      context.say(`${seen.met ? 'ok' : 'NOT MET'}  ${check}: ${seen.measured}`)
      bars.push({ name: `preflight, ${check}`, ...seen })
    }
    const unmet = bars.filter(({ met }) => !met)
    return { verdict: unmet.length === 0 ? 'passed' : 'failed', why: unmet.length === 0 ? `${bars.length} checks` : unmet.map(({ name, measured }) => `${name}: ${measured}`).join('; '), bars }
  },
})
