/** Brings faultline into the cluster of the current context, and out of it. Both may be run again. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InvalidInput } from '#shared/errors.ts'
import { kubectl } from '../deploy/kubectl.ts'
import { passLocustTokens } from '../deploy/locust-tokens.ts'
import { awaitRollout, podsThere } from '../deploy/rollout.ts'
import { passShopEndpoints } from '../deploy/shop-endpoints.ts'
import { demandNatsCertificate } from './nats-certificate.ts'
import { namespace, provideSecret } from './secret.ts'

/** What can be installed: a folder each, in k8s/. */
export const variants = { base: 'base', ha: 'overlays/ha', staging: 'overlays/staging', demo: 'overlays/demo' } as const
export type Variant = keyof typeof variants

export interface InstallOptions {
  variant: Variant
  /** Where the images are, and their tag. */
  registry: string
  version: string
  /** For each workload that is waited for. */
  patienceS: number
  /** Services speak TLS to NATS, with the certificate in the Secret nats-tls. */
  natsTls?: boolean
  /** Values of the Secret that nobody can make up: where a power service is, and its token. */
  given?: Readonly<Record<string, string>>
}

/** NATS keeps its number of servers and its disks for as long as it is installed. */
export class VariantFixed extends InvalidInput {
  readonly code = 'variant_fixed'
}

const imageNames = ['services', 'nats', 'prometheus'] as const
const workloads = ['statefulset/nats', 'deployment/scheduler', 'deployment/prometheus', 'deployment/slo-evaluator', 'deployment/locust-bridge', 'deployment/cluster-agent', 'deployment/restorer', 'daemonset/injector', 'daemonset/prober']
/** Objects that belong to no namespace; the policy last, so that the role never outlives it. */
const outside = [
  'clusterrolebinding/faultline-scheduler', 'clusterrole/faultline-scheduler',
  'clusterrolebinding/faultline-cluster-agent', 'clusterrole/faultline-cluster-agent', 'clusterrolebinding/faultline-restorer', 'clusterrole/faultline-restorer',
  'validatingadmissionpolicybinding/faultline-opt-in', 'validatingadmissionpolicy/faultline-opt-in',
  'validatingadmissionpolicybinding/faultline-nodes', 'validatingadmissionpolicy/faultline-nodes',
  'validatingadmissionpolicybinding/faultline-authors', 'validatingadmissionpolicy/faultline-authors',
]
/** Removing the kind removes its objects; Policies and Campaigns first, which would begin more. */
const customResources = ['policies', 'campaigns', 'experiments'].map(plural => `customresourcedefinition/${plural}.faultline.dev`)
const folderOf = (path: string): string => fileURLToPath(new URL(`../../../k8s/${path}`, import.meta.url))
/** Where there are several servers, they speak TLS to each other too. */
const tlsOf = (variant: Variant): string[] => ['components/nats-tls', ...variant === 'ha' || variant === 'staging' ? ['components/nats-tls-routes'] : []]
const inNamespace = ['--namespace', namespace]

/** Throws VariantFixed when another variant is there, NatsCertificateMissing, NotRolledOut, ImageUnavailable, KubectlFailed. */
export async function install(options: InstallOptions, say: (doing: string) => void): Promise<void> {
  const there = await kubectl(['get', 'namespace', namespace, '--ignore-not-found', '--output', 'jsonpath={.metadata.annotations.faultline\\.dev/variant}'])
  if (there !== '' && there !== options.variant) {
    throw new VariantFixed(`the variant ${there} is installed, and NATS cannot become that of ${options.variant} in place; npm run k8s:uninstall first`)
  }
  if (options.natsTls) await demandNatsCertificate()
  await kubectl(['apply', '--filename', join(folderOf(variants.base), 'namespace.yaml')])
  await kubectl(['annotate', 'namespace', namespace, `faultline.dev/variant=${options.variant}`, '--overwrite'])
  const earlier = await podsThere(namespace)
  const made = await provideSecret(options.given)
  say(made.length > 0 ? `made ${made.join(', ')} in the Secret ${namespace}/faultline` : 'the Secret is complete; kept')
  const restarted = await passLocustTokens(say)
  await passShopEndpoints(say) // the probers are waited for below, whether they were restarted or not
  say(`applying k8s/${variants[options.variant]}`)
  await withImages(options, folder => kubectl(['apply', '--kustomize', folder]))
  const awaited = [...workloads.map(workload => ({ namespace, workload })), ...restarted.filter(other => other.namespace !== namespace)]
  for (const each of awaited) await awaitRollout({ ...each, patienceS: options.patienceS, earlier }, say)
}

/**
 * The Experiments first, so that their runs are aborted, then the agents, while everything else is there: a node's agent ends what it holds before
 * it ends itself.
 */
export async function uninstall({ patienceS }: { patienceS: number }, say: (doing: string) => void): Promise<void> {
  const forgiving = ['--ignore-not-found', `--timeout=${patienceS}s`]
  say('removing every Campaign and Experiment, which aborts its run')
  await kubectl(['delete', ...customResources, ...forgiving])
  say('the agents end what they hold')
  await kubectl(['delete', 'daemonset/injector', 'deployment/cluster-agent', ...inNamespace, '--cascade=foreground', ...forgiving])
  say(`removing the namespace ${namespace} and what is outside of it`)
  await kubectl(['delete', ...outside, ...forgiving])
  await kubectl(['delete', 'namespace', namespace, ...forgiving])
}

/** Calls with the folder of a kustomization that names the images as they are to be had. */
async function withImages({ variant, registry, version, natsTls = false }: InstallOptions, use: (folder: string) => Promise<unknown>): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'faultline-install-')))
  try {
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify({
      apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization',
      resources: [relative(folder, realpathSync(folderOf(variants[variant])))], // kustomize takes no absolute path
      components: (natsTls ? tlsOf(variant) : []).map(component => relative(folder, realpathSync(folderOf(component)))),
      images: imageNames.map(name => ({ name: `localhost/faultline/${name}`, newName: `${registry}/faultline/${name}`, newTag: version })),
    }))
    await use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
