import { z } from 'zod'
import { messageOf } from '#shared/errors.ts'
import { undeploy } from '../../deploy/deploy.ts'
import { parts } from '../../deploy/parts.ts'
import { uninstall } from '../../install/install.ts'
import type { BroughtIn } from '../findings.ts'
import { defineStep } from '../step.ts'

const patienceS = 180

export default defineStep({
  kind: 'clean-up',
  summary: 'Removes what this campaign has brought into the cluster',
  documentation: `
Everything that an \`install\` or \`deploy\` step of this campaign brought in, last first: faultline goes last of all, for its agents end what they
hold. What was there before the campaign stays. Mark it \`always\`, so that it is done after a failing step and after an abort too. What cannot be
removed is told, and the rest is removed all the same.`,
  timeoutMs: 15 * 60_000,
  parameters: z.strictObject({
    keep: z.boolean().default(false).describe('Leave it all, to look at it'),
  }),
  async run({ keep }, { findings, say }) {
    const gone: string[] = []
    const troubles: string[] = []
    if (keep) return { verdict: 'passed', why: 'everything was left, as the campaign asks', bars: [] }
    for (const thing of inOrder(findings.broughtIn)) {
      const name = thing.is === 'part' ? thing.part : 'faultline'
      try {
        say(`removing ${name}`)
        await (thing.is === 'part' ? undeploy(parts[thing.part], { patienceS }) : uninstall({ patienceS }, say))
        gone.push(name)
      } catch (error) {
        troubles.push(`${name}: ${messageOf(error)}`)
      }
    }
    if (troubles.length > 0) return { verdict: 'failed', why: troubles.join('; '), bars: [] }
    return { verdict: 'passed', why: gone.length === 0 ? 'the campaign had brought nothing in' : `removed ${gone.join(', ')}`, bars: [] }
  },
})

const inOrder = (broughtIn: readonly BroughtIn[]) => [...broughtIn.filter(({ is }) => is === 'part').toReversed(), ...broughtIn.filter(({ is }) => is === 'faultline')]
