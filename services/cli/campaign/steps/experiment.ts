import { z } from 'zod'
import { dnsLabel, duration, printDuration } from '#shared/units.ts'
import type { StepVerdict } from '#shared/campaign-core.ts'
import { hitBy, untilReadyElsewhere } from '../ready-elsewhere.ts'
import { runFile } from '../run-file.ts'
import { spread } from '../spread.ts'
import { defineStep, type Bar, type StepContext } from '../step.ts'

/** The worst that can be said of several runs. */
const order: readonly StepVerdict[] = ['passed', 'inconclusive', 'failed']

const workloads = z.strictObject({
  namespace: dnsLabel().describe('Of the workloads'),
  workloads: z.array(z.strictObject({ kind: z.enum(['Deployment', 'StatefulSet']), name: dnsLabel() })).min(1).max(20).describe('Which'),
})
const readyAgain = workloads.extend({ within: duration({ minMs: 1_000 }).describe('Time from the injection') })
type ReadyAgain = z.output<typeof readyAgain>

/** To wait for nodes that return, and move pods to them one after another. */
const spreadWithinMs = 180_000

export default defineStep({
  kind: 'experiment',
  summary: 'Runs an experiment in the cluster, once or several times',
  documentation: `
Submits the experiment of the file to the scheduler, and waits for its verdict. With \`repeat\` it is run so many times, one after another, and every
one must pass; the first that does not ends the step. With \`readyAgain\`, each run has a bar of its own: so long after the injection every
workload must have all its replicas Ready, those pods and nodes that were hit not counted. With \`spread\`, each run begins when every node is Ready and
those workloads' replicas are on different ones, as far as there are nodes: pods that share a node while another has none are evicted, one at a time, within
their disruption budgets. Kubernetes moves no pod back by itself, so after the loss of one node the next may carry most of a workload. An abort of the campaign aborts the run: its faults
are reverted before the step is over.`,
  timeoutMs: 30 * 60_000,
  parameters: z.strictObject({
    file: z.string().min(1).max(1_000).describe('Experiment file, relative to the campaign\'s; it holds one experiment'),
    repeat: z.int().min(1).max(100).default(1).describe('How often it must pass, one run after another'),
    readyAgain: readyAgain.optional().describe('Workloads that must be whole again, elsewhere'),
    spread: workloads.optional().describe('Workloads that must be on different nodes before each run; their pods are moved for that'),
  }),
  experimentFiles: ({ file }) => [file],
  async run({ file, repeat, readyAgain: wanted, spread: apart }, context) {
    let worst: StepVerdict = 'passed'
    const said: string[] = []
    const bars: Bar[] = []
    for (let repetition = 1; repetition <= repeat && worst === 'passed' && !context.signal.aborted; repetition++) {
      const crowd = apart && await spread({ ...apart, withinMs: spreadWithinMs, kubeConfig: context.kubeConfig, signal: context.signal, say: context.say })
      if (crowd !== undefined) return { verdict: order[Math.max(order.indexOf(worst), 1)] ?? 'failed', why: [...said, `not run: its workloads could not be spread over the nodes: ${crowd}`].join('; '), bars }
      let whole: Promise<Bar> | undefined
      const { judgement, run } = await runFile(context, {
        file, purpose: 'experiment', repetition,
        onFact(stored) {
          if (wanted && stored.kind === 'fault.injected') whole ??= readyAgainBar(wanted, hitBy(stored.fact.data), context)
        },
      })
      if (wanted) bars.push(await whole ?? { ...barHead(wanted, context.step), measured: 'not measured: nothing was injected', met: false })
      const verdict = judgement.revertUnconfirmed || bars.some(({ met }) => !met) ? 'failed' : judgement.verdict
      worst = order[Math.max(order.indexOf(worst), order.indexOf(verdict))] ?? 'failed'
      said.push(`${run}: ${judgement.verdict}: ${judgement.reasons[0] ?? ''}`, ...bars.slice(-1).map(({ name, measured }) => `${name}: ${measured}`))
    }
    return { verdict: worst, why: said.join('; '), bars }
  },
})

const barHead = ({ within }: ReadyAgain, step: string) => ({ name: `every replica Ready elsewhere, ${step}`, required: `less than ${printDuration(within)}` })

async function readyAgainBar(wanted: ReadyAgain, hit: ReturnType<typeof hitBy>, { kubeConfig, signal, step, say }: StepContext): Promise<Bar> {
  const { namespace, workloads, within } = wanted
  const seen = await untilReadyElsewhere({ kubeConfig, namespace, workloads, hit, withinMs: within, signal })
  if ('missing' in seen) return { ...barHead(wanted, step), measured: `not within that time: ${seen.missing}`, met: false }
  say(`every replica is Ready elsewhere after ${(seen.tookMs / 1_000).toFixed(1)} s`)
  return { ...barHead(wanted, step), measured: `${(seen.tookMs / 1_000).toFixed(1)} s`, met: true }
}
