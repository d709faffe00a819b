/**
 * What the service that is measured needs to answer, and what is paused. One process, so that a pause of it is the same to everybody who does it.
 *
 *     node backend.ts PORT
 *
 * GET /metrics says how many requests it has answered.
 */
import { createServer } from 'node:http'

const port = Number(process.argv[2])
let answered = 0

const server = createServer((request, response) => {
  if (request.url === '/metrics') return void response.end(`backend_requests_total ${answered}\n`)
  answered += 1
  response.end('here')
})
server.keepAliveTimeout = 0 // a connection that it closed in the moment in which it is used would look like a failed request
server.listen(port, '127.0.0.1')
