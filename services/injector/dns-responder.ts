/**
 * Answers DNS queries over UDP with an error: the query's own id and question, and no answer (RFC 1035, 4.1.1). Listens on the loopback, on one port
 * for each name server that it stands for, and says on which. Its life is told in worker-life.ts.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { beginLife } from './worker-life.ts'

const headerBytes = 12
const rcodes = { servfail: 2, nxdomain: 3 } as const
const { settings, liveOn } = beginLife()
const { answer, servers } = JSON.parse(settings) as { answer: keyof typeof rcodes; servers: number }

const sockets = Array.from({ length: servers }, () => createSocket('udp4').bind(0, '127.0.0.1'))
await Promise.all(sockets.map(socket => once(socket, 'listening')))
for (const socket of sockets) {
  socket.on('error', () => undefined) // whoever asked has closed its socket
  socket.on('message', (query, { port, address }) => {
    if (query.length < headerBytes) return
    const error = Buffer.from(query)
    error[2] = query.readUInt8(2) | 0x80 // QR: a response
    error[3] = 0x80 | rcodes[answer] // RA, and why there is no answer
    socket.send(error, port, address)
  })
}
process.stdout.write(`${JSON.stringify(sockets.map(socket => socket.address().port))}\n`)
liveOn()
