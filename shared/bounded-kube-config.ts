import { KubeConfig, type RequestContext } from '@kubernetes/client-node'

/** Longer than an election among the API server's own stores, and shorter than anybody would wait for an undo. */
const apiAnswersWithinMs = 5_000

/**
 * How to reach the API server, with an end to every request: the client itself waits five minutes for one that has been taken and is not answered, and what it
 * asks for may be the undo of a fault. A request that took too long may have been obeyed. Watches have an end of their own (30 s without a word).
 * The client is large: import this where it is used, not where a service begins.
 */
export class BoundedKubeConfig extends KubeConfig {
  /** The one thing that the client asks of its configuration for each request. */
  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await super.applySecurityAuthentication(context)
    context.setSignal(AbortSignal.timeout(apiAnswersWithinMs))
  }
}
