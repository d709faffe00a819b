import { KubeConfig } from '@kubernetes/client-node'
import { InvalidInput, messageOf } from '#shared/errors.ts'

/** There is no cluster that could be meant. */
export class ContextUnknown extends InvalidInput {
  readonly code = 'context_unknown'
}

/** What the client makes up when it finds no kubeconfig. */
const madeUp = { context: 'loaded-context', server: 'http://localhost:8080' }

/** The kubeconfig as kubectl reads it (KUBECONFIG, else ~/.kube/config), with another context if one is named. Throws ContextUnknown. */
export function readKubeConfig(context?: string): KubeConfig {
  const config = new KubeConfig()
  try {
    config.loadFromDefault()
  } catch (cause) {
    throw new ContextUnknown(`the kubeconfig cannot be read: ${messageOf(cause)}`, { cause })
  }
  if (config.getCurrentContext() === madeUp.context && config.getCurrentCluster()?.server === madeUp.server) throw new ContextUnknown('there is no kubeconfig: name the file with KUBECONFIG, or keep it as ~/.kube/config, as kubectl does')
  const known = config.getContexts().map(({ name }) => name)
  if (context !== undefined && !known.includes(context)) throw new ContextUnknown(`the kubeconfig has no context ${context}; it has ${known.join(', ') || 'none'}`)
  if (context !== undefined) config.setCurrentContext(context)
  if (config.getCurrentCluster() === null) throw new ContextUnknown('the kubeconfig has no current context; kubectl config use-context NAME, or --context NAME')
  return config
}
