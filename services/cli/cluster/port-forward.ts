import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { CoreV1Api, PortForward, type KubeConfig, type V1Pod } from '@kubernetes/client-node'
import { printLabels } from '#shared/target.ts'

export interface Forwarded extends AsyncDisposable {
  /** On loopback. */
  url: string
}

export interface ForwardedService { namespace: string; service: string; port: number }

/**
 * A port of this machine that leads to a Service's pods. Each connection goes to a pod that is ready just then, so that a client who connects
 * again after the loss of a pod reaches its successor.
 *
 * @param to `port`: as the pod listens to it
 */
export async function forwardService(config: KubeConfig, to: ForwardedService): Promise<Forwarded> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {}) // 'close' follows, and the client has an error of its own
    join(config, to, socket).catch((error: unknown) => socket.destroy(error instanceof Error ? error : new Error(String(error))))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Of these pods those that are ready and stay: one that is going is called ready until it has ended, and listens no more by then. Pure. */
export function answering(pods: readonly V1Pod[]): V1Pod[] {
  return pods.filter(({ metadata, status }) => metadata?.deletionTimestamp === undefined && status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'))
}

/** Rejects when no pod of the Service can take a connection now. */
export async function podOf(core: Pick<CoreV1Api, 'readNamespacedService' | 'listNamespacedPod'>, { namespace, service }: ForwardedService): Promise<string> {
  const { spec: { selector = {} } = {} } = await core.readNamespacedService({ namespace, name: service })
  if (Object.keys(selector).length === 0) throw new Error(`the Service ${namespace}/${service} selects no pods`) // an empty selector would list all
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: printLabels(selector) })
  const name = answering(items)[0]?.metadata?.name
  if (name === undefined) throw new Error(`no pod behind the Service ${namespace}/${service} is ready`)
  return name
}

/** The API server carries it over a WebSocket, which has a stream for data and one for what went wrong. */
async function join(config: KubeConfig, to: ForwardedService, socket: Socket): Promise<void> {
  const { namespace, port } = to
  const trouble = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (chunk.length > 0) socket.destroy(new Error(chunk.toString())) // it begins with the port's number alone
      done()
    },
  })
  const pod = await podOf(config.makeApiClient(CoreV1Api), to)
  const webSocket = await new PortForward(config).portForward(namespace, pod, [port], socket, trouble, socket)
  if (typeof webSocket === 'function') return // only when it was asked to retry
  webSocket.addEventListener('close', () => socket.destroy())
  webSocket.addEventListener('error', () => socket.destroy())
  socket.on('close', () => webSocket.close())
  if (socket.destroyed) webSocket.close()
}
