import { z } from 'zod'
import type { StepVerdict } from '../core.ts'
import { runFile } from '../run-file.ts'
import { defineStep } from '../step.ts'

/** The worst that can be said of several runs. */
const order: readonly StepVerdict[] = ['passed', 'inconclusive', 'failed']

export default defineStep({
  kind: 'experiment',
  summary: 'Runs an experiment in the cluster, once or several times',
  documentation: `
Submits the experiment of the file to the scheduler, and waits for its verdict. With \`repeat\` it is run so many times, one after another, and every
one must pass; the first that does not ends the step. An abort of the campaign aborts the run: its faults are reverted before the step is over.`,
  timeoutMs: 15 * 60_000,
  parameters: z.strictObject({
    file: z.string().min(1).max(1_000).describe('Experiment file, relative to the campaign\'s; it holds one experiment'),
    repeat: z.int().min(1).max(100).default(1).describe('How often it must pass, one run after another'),
  }),
  experimentFiles: ({ file }) => [file],
  async run({ file, repeat }, context) {
    let worst: StepVerdict = 'passed'
    const said: string[] = []
    for (let repetition = 1; repetition <= repeat && worst === 'passed' && !context.signal.aborted; repetition++) {
      const { judgement, run } = await runFile(context, { file, purpose: 'experiment', repetition })
      worst = order[Math.max(order.indexOf(worst), order.indexOf(judgement.verdict))] ?? 'failed'
      if (judgement.revertUnconfirmed) worst = 'failed'
      said.push(`${run}: ${judgement.verdict}: ${judgement.reasons[0] ?? ''}`)
    }
    return { verdict: worst, why: said.join('; '), bars: [] }
  },
})
