/** Brings the jewelry shop, or Locust, into the cluster of the current context. Repeatable: what is there stays, passwords too. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { images, tagOf } from '../images/image.ts'
import { kubectl } from './kubectl.ts'
import { passLocustTokens } from './locust-tokens.ts'
import type { Part } from './parts.ts'
import { awaitRollout, podsThere } from './rollout.ts'
import { passShopEndpoints } from './shop-endpoints.ts'

export interface DeployOptions {
  /** Where the images were pushed to, as `npm run images -- --push` was told; left out: they were loaded onto the nodes. */
  registry?: string
  version?: string
  /** For each thing that is waited for. */
  patienceS?: number
}

const folderOf = ({ name }: Part): string => fileURLToPath(new URL(`../../../k8s/${name}`, import.meta.url))

/** Throws NotRolledOut, ImageUnavailable, KubectlFailed. */
export async function deploy(part: Part, options: DeployOptions, say: (doing: string) => void): Promise<void> {
  const inNamespace = ['--namespace', part.namespace]
  await kubectl(['apply', '--filename', join(folderOf(part), part.namespaceFile)])
  const earlier = await podsThere(part.namespace)
  await provideSecrets(part, say)
  const restarted = await { locust: passLocustTokens, shop: passShopEndpoints }[part.name](say)
  if (part.jobs.length > 0) await kubectl(['delete', 'job', ...part.jobs, ...inNamespace, '--ignore-not-found'])
  say(`applying k8s/${part.name}`)
  await applyKustomization(part, options)
  const awaited = [
    ...part.rollouts.map(workload => ({ namespace: part.namespace, workload })), ...restarted.filter(({ namespace }) => namespace !== part.namespace),
    ...part.jobs.map(job => ({ namespace: part.namespace, workload: `job/${job}` })),
  ]
  for (const each of awaited) await awaitRollout({ ...each, patienceS: options.patienceS ?? 180, earlier }, say)
}

/** Makes those that are missing, with random values. One that is there is in use: its passwords are in the databases too. */
async function provideSecrets({ namespace, secrets }: Part, say: (doing: string) => void): Promise<void> {
  for (const [name, keys] of Object.entries(secrets)) {
    const present = await kubectl(['get', 'secret', name, '--namespace', namespace, '--ignore-not-found', '--output', 'name'])
    if (present.trim() !== '') continue
    say(`making Secret ${name} with random values`)
    const stringData = Object.fromEntries(Object.entries(keys).map(([key, make]) => [key, make()]))
    await kubectl(['create', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData })) // not in arguments, which every process can read
  }
}

async function applyKustomization(part: Part, { registry, version }: DeployOptions): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'faultline-deploy-')))
  try {
    const overlay = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization',
      resources: [relative(folder, realpathSync(folderOf(part)))], // kustomize takes no absolute path
      images: images.map(image => {
        const [newName, newTag] = splitTag(tagOf(image, { ...(registry !== undefined && { registry }), ...(version !== undefined && { version }) }))
        return { name: splitTag(tagOf(image))[0], newName, newTag }
      }),
    }
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(overlay))
    await kubectl(['apply', '--kustomize', folder])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The registry may have a port, so only the last colon is the tag's. */
function splitTag(tag: string): [string, string] {
  const colon = tag.lastIndexOf(':')
  return [tag.slice(0, colon), tag.slice(colon + 1)]
}

/** Removes a part with all that is in its namespace, data too. Repeatable. */
export async function undeploy({ namespace }: Part, { patienceS }: { patienceS: number }): Promise<void> {
  await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', `--timeout=${patienceS}s`])
}
