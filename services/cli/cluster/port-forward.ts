import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { PortForward, type KubeConfig } from '@kubernetes/client-node'

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

/** The API server carries it over a WebSocket, which has a stream for data and one for what went wrong. */
async function join(config: KubeConfig, { namespace, service, port }: ForwardedService, socket: Socket): Promise<void> {
  const trouble = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (chunk.length > 0) socket.destroy(new Error(chunk.toString())) // it begins with the port's number alone
      done()
    },
  })
  const webSocket = await new PortForward(config).portForwardService(namespace, service, [port], socket, trouble, socket)
  if (typeof webSocket === 'function') return // only when it was asked to retry
  webSocket.addEventListener('close', () => socket.destroy())
  webSocket.addEventListener('error', () => socket.destroy())
  socket.on('close', () => webSocket.close())
  if (socket.destroyed) webSocket.close()
}
