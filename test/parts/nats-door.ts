import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A client's only way to a NATS server, through this process, which reads what the client says and what it is told. */
export interface NatsDoor extends AsyncDisposable {
  /** In place of the server's address. */
  servers: string
  /** When the client first says this, `happens`; what the client said goes on to the server only after that, if the way is still there. */
  whenSaid(text: string, happens: () => void | Promise<void>): void
  /** The same of what the server says to the client. */
  whenTold(text: string, happens: () => void | Promise<void>): void
  /** Ends all connections; while it is shut new ones end at once. */
  shut(): void
  open(): void
}

interface Watch { text: string; happens: () => void | Promise<void> }

export async function startNatsDoor(server: string): Promise<NatsDoor> {
  const [host = '', port = ''] = server.split(':')
  const ends = new Set<Socket>()
  const watches = { said: [] as Watch[], told: [] as Watch[] }
  let isShut = false

  function pass(from: Socket, to: Socket, watched: Watch[]): void {
    ends.add(from)
    from.setNoDelay(true)
    from.on('error', () => undefined) // the other end hears of it by the close
    from.on('close', () => {
      ends.delete(from)
      to.destroy()
    })
    from.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      const at = watched.findIndex(watch => text.includes(watch.text))
      const [watch] = at === -1 ? [] : watched.splice(at, 1)
      const goOn = () => { if (!to.destroyed) to.write(chunk) }
      if (!watch) return goOn()
      void (async () => {
        from.pause()
        await watch.happens()
        goOn()
        from.resume()
      })()
    })
  }

  const listener = createServer(client => {
    if (isShut) return void client.destroy()
    const upstream = connect(Number(port), host)
    pass(client, upstream, watches.said)
    pass(upstream, client, watches.told)
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const endAll = () => { for (const end of ends) end.destroy() }
  return {
    servers: `127.0.0.1:${(listener.address() as AddressInfo).port}`,
    whenSaid: (text, happens) => void watches.said.push({ text, happens }),
    whenTold: (text, happens) => void watches.told.push({ text, happens }),
    shut() {
      isShut = true
      endAll()
    },
    open() { isShut = false },
    async [Symbol.asyncDispose]() {
      endAll()
      listener.close()
      await once(listener, 'close')
    },
  }
}
