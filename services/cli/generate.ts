import { globSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { experimentJsonSchema } from '#shared/experiment-schema.ts'
import { policyJsonSchema } from '#shared/policy.ts'
import { campaignJsonSchema } from './campaign/campaign.ts'
import { campaignDefinition, experimentDefinition, policyDefinition } from './custom-resources.ts'
import { eventCatalogue } from './event-catalogue.ts'
import { metricsCatalogue } from './metrics-catalogue.ts'
import { natsAuthorization } from './nats-authorization.ts'

/** Every file in the repository that is made from code. A test holds each against what is committed. */
export const generatedFiles: readonly { path: string; text: () => string | Promise<string> }[] = [
  { path: 'shared/experiment.schema.json', text: () => `${JSON.stringify(experimentJsonSchema, null, 2)}\n` },
  { path: 'services/cli/campaign/campaign.schema.json', text: () => `${JSON.stringify(campaignJsonSchema, null, 2)}\n` },
  { path: 'shared/policy.schema.json', text: () => `${JSON.stringify(policyJsonSchema, null, 2)}\n` },
  { path: 'shared/EVENTS.md', text: eventCatalogue },
  { path: 'k8s/base/nats/authorization.conf', text: natsAuthorization },
  { path: 'k8s/base/crds/experiments.yaml', text: experimentDefinition },
  { path: 'k8s/base/crds/campaigns.yaml', text: campaignDefinition },
  { path: 'k8s/base/crds/policies.yaml', text: policyDefinition },
  { path: 'docs/metrics.md', text: () => metricsCatalogue(sources()) },
  ...['overview', 'run', 'chaos-and-coverage', 'system-health'].map(name => ({ path: `grafana/dashboards/${name}.json`, text: () => dashboard(name) })),
]

/** `faultline generate`: writes them, in the checkout that this code is in. */
export async function generate(): Promise<{ exitCode: 0; output: string }> {
  for (const { path, text } of generatedFiles) await writeFile(inCheckout(path), await text())
  return { exitCode: 0, output: generatedFiles.map(({ path }) => `wrote ${path}`).join('\n') }
}

/** Their source needs grafana-foundation-sdk, which is there only where development packages are: imported when it is asked for. */
async function dashboard(name: string): Promise<string> {
  const { dashboards } = await import('../../grafana/source/dashboards.ts')
  return `${JSON.stringify(dashboards()[name], null, 2)}\n`
}

/** What registers metrics, by its path in the checkout. */
export function sources(): Map<string, string> {
  return new Map(globSync(['services/**/*.ts', 'shared/*.ts'], { cwd: inCheckout('') }).sort().map(path => [path, readFileSync(inCheckout(path), 'utf8')]))
}

export const inCheckout = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
