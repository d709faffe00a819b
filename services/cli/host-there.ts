import { connect } from 'node:net'
import { withoutLogin } from '#shared/redaction.ts'

/**
 * Of hosts at which nobody takes a connection, each a line: every request of the load would fail there, which the gates will say, too, but not why. It asks the
 * service for nothing. `hosts`: URLs with http or https.
 */
export async function hostWarnings(hosts: readonly string[], { timeoutMs = 2_000 } = {}): Promise<string[]> {
  const asked = await Promise.all([...new Set(hosts)].map(async host => ({ host, why: await whyUnreachable(new URL(host), timeoutMs) })))
  return asked.flatMap(({ host, why }) => why === undefined ? [] : [`warning: nobody is at ${withoutLogin(host)}, to which the load goes (${why}): each of its requests will fail; is the service up, and is that its address (load.host, or --host)?`])
}

function whyUnreachable({ hostname, port, protocol }: URL, timeoutMs: number): Promise<string | undefined> {
  const usualPort = protocol === 'https:' ? 443 : 80
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? usualPort : Number(port) })
  return new Promise(resolve => {
    const end = (why?: string) => {
      socket.destroy()
      resolve(why)
    }
    socket.once('connect', () => end()).once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message)) // of several addresses that were tried there is a code and no message
    socket.setTimeout(timeoutMs, () => end(`no connection within ${timeoutMs} ms`))
  })
}
