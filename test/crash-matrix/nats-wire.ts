import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** What is on its way while nothing passes. */
interface Held { to: Socket; chunk: Buffer }

/** A JetStream server's word that a fact is stored (nats-server, jsPubAckResponse): `{"stream":"FAULTLINE", "seq":12}`. */
const acknowledgement = /\{"stream":"FAULTLINE",(?: ?"domain":"[^"]*",)? ?"seq":(\d+)(?=[,}])/g
/** Longer than an acknowledgement up to the end of its number, so that one that comes in two pieces is found. */
const tailLength = 120

export interface NatsWire extends AsyncDisposable {
  /** Places in the stream of which a server has said over this wire that they are stored. */
  acknowledged: Set<number>
  /** How many ends of connections are open. */
  openEnds(): number
  /** How many bytes are on their way and do not pass. */
  heldBytes(): number
  /** From now on nothing passes, in either direction; connections stay open and new ones are accepted. */
  cut(): void
  /** What was held back passes now, in its order. Gives how many bytes that was. */
  mend(): number
}

/** One client's way to one NATS server, through this process: it can be cut, and is listened to. */
export async function startWire({ port, server }: { port: number; server: number }): Promise<NatsWire> {
  const acknowledged = new Set<number>()
  const open = new Set<Socket>()
  let held: Held[] | undefined

  const pass = (to: Socket, chunk: Buffer) => {
    if (held) held.push({ to, chunk })
    else if (!to.destroyed) to.write(chunk)
  }

  const heldBytes = () => (held ?? []).reduce((bytes, { chunk }) => bytes + chunk.length, 0)

  function join(client: Socket): void {
    const upstream = connect(server, '127.0.0.1')
    let tail = ''
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      open.add(from)
      from.setNoDelay(true)
      from.on('error', () => undefined) // the end of one side is told to the other by its close
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
    }
    client.on('data', chunk => pass(upstream, chunk))
    upstream.on('data', chunk => {
      const text = tail + chunk.toString('latin1')
      for (const [, place] of text.matchAll(acknowledgement)) acknowledged.add(Number(place))
      tail = text.slice(-tailLength)
      pass(client, chunk)
    })
  }

  const listener = createServer(join).listen(port, '127.0.0.1')
  await once(listener, 'listening')
  return {
    acknowledged, heldBytes,
    openEnds: () => open.size,
    cut() { held ??= [] },
    mend() {
      const [late, bytes] = [held ?? [], heldBytes()]
      held = undefined
      for (const { to, chunk } of late) if (!to.destroyed) to.write(chunk)
      return bytes
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      listener.close()
      await once(listener, 'close')
    },
  }
}
