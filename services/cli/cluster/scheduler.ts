import { ApiException, CoreV1Api, type KubeConfig } from '@kubernetes/client-node'
import { readConfig } from '#shared/config.ts'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import { secretName } from '../install/secret.ts'
import { readKubeConfig } from './kube-config.ts'
import { forwardService } from './port-forward.ts'

/** The cluster does not answer, or faultline is not in it. */
export class ClusterUnready extends FaultlineError {
  readonly code = 'cluster_unready'
}

export interface ClusterOptions {
  /** Of the kubeconfig; the current one when left out. */
  context?: string
  /** Where faultline is installed. */
  namespace: string
}

/** Where the scheduler of a cluster can be asked, for as long as this is not disposed of. */
export interface ClusterScheduler extends AsyncDisposable {
  /** The context. */
  name: string
  apiUrl: string
  token: string
}

const apiPort = 9646

/**
 * Needs to forward a port in faultline's namespace, and, for who has no token of their own (setting `api.token`), to read the Secret with the admin's. Throws
 * ContextUnknown, ClusterUnready, SettingInvalid.
 */
export async function connectScheduler({ context, namespace }: ClusterOptions): Promise<ClusterScheduler> {
  const config = readKubeConfig(context)
  const token = readConfig().get('api.token') ?? await readToken(config, namespace)
  const forwarded = await forwardService(config, { namespace, service: 'scheduler', port: apiPort })
  return { name: config.getCurrentContext(), apiUrl: forwarded.url, token, [Symbol.asyncDispose]: () => forwarded[Symbol.asyncDispose]() }
}

async function readToken(config: KubeConfig, namespace: string): Promise<string> {
  const where = `the context ${config.getCurrentContext()}`
  let encoded: string | undefined
  try {
    encoded = (await config.makeApiClient(CoreV1Api).readNamespacedSecret({ name: secretName, namespace })).data?.['api-token']
  } catch (cause) {
    const code = cause instanceof ApiException ? cause.code : undefined
    if (code === 403) throw new ClusterUnready(`you may not read the Secret ${secretName} in ${namespace} of ${where}, which holds the API's token; if you have one of your own, set api.token (FAULTLINE_API_TOKEN_FILE) to it`, { cause })
    if (code !== 404) throw new ClusterUnready(`the cluster of ${where} does not answer: ${messageOf(cause)}`, { cause })
  }
  if (encoded === undefined) throw new ClusterUnready(`faultline is not installed in ${namespace} of ${where}; npm run k8s:install`)
  return Buffer.from(encoded, 'base64').toString()
}
