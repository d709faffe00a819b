import { z } from 'zod'
import { kubectl } from '../../deploy/kubectl.ts'
import { deploy } from '../../deploy/deploy.ts'
import { parts } from '../../deploy/parts.ts'
import { defineStep } from '../step.ts'

export default defineStep({
  kind: 'deploy',
  summary: 'Brings the jewelry shop, or Locust, into the cluster',
  documentation: `
What \`npm run deploy\` does, until every workload of it is ready. What was not there before, the campaign's clean-up removes again.`,
  timeoutMs: 10 * 60_000,
  parameters: z.strictObject({
    part: z.enum(['shop', 'locust']).describe('What is deployed'),
    patience: z.int().min(1).max(3_600).default(180).describe('Seconds, for each thing that is waited for'),
  }),
  async run({ part, patience }, { settings: { registry, version }, findings, say }) {
    const { namespace } = parts[part]
    const there = await kubectl(['get', 'namespace', namespace, '--ignore-not-found', '--output', 'name'])
    if (there.trim() === '') findings.broughtIn.push({ is: 'part', part })
    await deploy(parts[part], { patienceS: patience, ...(registry !== undefined && { registry }), ...(version !== undefined && { version }) }, say)
    return { verdict: 'passed', why: there.trim() === '' ? `${part} is there` : `${part} was there, and is up to date`, bars: [] }
  },
})
