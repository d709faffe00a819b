import { z } from 'zod'
import { kubectl } from '../../deploy/kubectl.ts'
import { install, variants, type Variant } from '../../install/install.ts'
import { powerValues } from '../../install/power-values.ts'
import { defineStep } from '../step.ts'

export default defineStep({
  kind: 'install',
  summary: 'Brings faultline into the cluster, or up to date',
  documentation: `
What \`npm run k8s:install\` does: Secrets that are there are kept, and what is up to date stays as it is. When faultline was not there before, the
campaign's clean-up removes it again.`,
  timeoutMs: 10 * 60_000,
  parameters: z.strictObject({
    variant: z.enum(Object.keys(variants) as [Variant, ...Variant[]]).default('base').describe('As of npm run k8s:install'),
    patience: z.int().min(1).max(3_600).default(180).describe('Seconds, for each workload that is waited for'),
  }),
  async run({ variant, patience }, { settings, findings, say }) {
    const there = await kubectl(['get', 'namespace', settings.namespace, '--ignore-not-found', '--output', 'name'])
    if (there.trim() === '') findings.broughtIn.push({ is: 'faultline' })
    await install({ variant, registry: settings.registry ?? 'localhost', version: settings.version ?? 'dev', patienceS: patience, given: powerValues() }, say)
    return { verdict: 'passed', why: there.trim() === '' ? 'faultline is there' : 'faultline was there, and is up to date', bars: [] }
  },
})
