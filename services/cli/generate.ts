import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { experimentJsonSchema } from '#shared/experiment-schema.ts'
import { policyJsonSchema } from '#shared/policy.ts'
import { campaignJsonSchema } from './campaign/campaign.ts'
import { campaignDefinition, experimentDefinition, policyDefinition } from './custom-resources.ts'
import { eventCatalogue } from './event-catalogue.ts'
import { natsAuthorization } from './nats-authorization.ts'

/** Every file in the repository that is made from code. A test holds each against what is committed. */
export const generatedFiles: readonly { path: string; text: () => string }[] = [
  { path: 'shared/experiment.schema.json', text: () => `${JSON.stringify(experimentJsonSchema, null, 2)}\n` },
  { path: 'services/cli/campaign/campaign.schema.json', text: () => `${JSON.stringify(campaignJsonSchema, null, 2)}\n` },
  { path: 'shared/policy.schema.json', text: () => `${JSON.stringify(policyJsonSchema, null, 2)}\n` },
  { path: 'shared/EVENTS.md', text: eventCatalogue },
  { path: 'k8s/base/nats/authorization.conf', text: natsAuthorization },
  { path: 'k8s/base/crds/experiments.yaml', text: experimentDefinition },
  { path: 'k8s/base/crds/campaigns.yaml', text: campaignDefinition },
  { path: 'k8s/base/crds/policies.yaml', text: policyDefinition },
]

/** `faultline generate`: writes them, in the checkout that this code is in. */
export async function generate(): Promise<{ exitCode: 0; output: string }> {
  for (const { path, text } of generatedFiles) await writeFile(inCheckout(path), text())
  return { exitCode: 0, output: generatedFiles.map(({ path }) => `wrote ${path}`).join('\n') }
}

export const inCheckout = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
