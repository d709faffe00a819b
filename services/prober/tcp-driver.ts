import { once } from 'node:events'
import { connect } from 'node:net'
import { reasonOf, type ProbeDriver } from './driver.ts'

export function tcpDriver(url: URL): ProbeDriver {
  return {
    async attempt(_id, signal) {
      const socket = connect({ host: url.hostname.replaceAll(/^\[|\]$/g, ''), port: Number(url.port) })
      try {
        await once(socket, 'connect', { signal })
        return { is: 'ok' }
      } catch (error) {
        return { is: 'failed', why: reasonOf(error, signal) }
      } finally {
        socket.destroy()
      }
    },
    find: () => Promise.resolve(new Set<string>()),
    clear: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
