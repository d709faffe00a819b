/**
 * The service that is measured, as its users see it: it asks the backend, and answers 504 when that has not answered in time.
 *
 *     node gateway.ts PORT BACKEND_PORT
 *
 * GET /metrics is for Prometheus, and does not ask the backend.
 */
import { Agent, createServer, get } from 'node:http'

/** Short, as within one machine room: what is measured begins with the first answer of 504. */
const patienceMs = 100

const [port, backendPort] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true })
const answers = { 200: 0, 504: 0 }

const server = createServer((request, response) => {
  if (request.url === '/metrics') return void response.end(`gateway_requests_total ${answers[200] + answers[504]}\ngateway_failed_total ${answers[504]}\n`)
  const answer = (status: 200 | 504) => {
    if (response.headersSent) return
    answers[status] += 1
    response.writeHead(status).end()
  }
  const asking = get({ host: '127.0.0.1', port: backendPort, agent }, answered => answered.on('error', () => answer(504)).on('end', () => answer(200)).resume())
  const late = setTimeout(() => asking.destroy(new Error('no answer in time')), patienceMs)
  asking.on('error', () => answer(504)).on('close', () => clearTimeout(late))
})
server.keepAliveTimeout = 0
server.listen(port, '127.0.0.1')
