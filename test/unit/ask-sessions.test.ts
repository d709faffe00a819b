import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { freePort } from '#shared/process/free-port.ts'
import { askSessions } from '../../services/cli/local/ask-sessions.ts'

test('a session that does not answer is told of and counted, and those after it are asked all the same', async t => {
  const server = createServer((_, response) => response.setHeader('content-type', 'application/json').end('{"runs":["r"]}')).listen(0, '127.0.0.1')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const answering = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const sessions = [`http://127.0.0.1:${await freePort()}`, answering].map((apiUrl, index) => ({ pid: 100 + index, apiUrl, token: 't' }))
  const told: string[] = []
  t.mock.method(process.stderr, 'write', (text: string) => { told.push(text); return true })
  const found = await askSessions(sessions, async (client, session) => `${session}: ${(await client.runs()).length}`)
  assert.deepEqual(found, { answers: ['the session of process 101: 1'], deaf: 1 })
  assert.match(told.join(''), /^the session of process 100: .+\n$/)
})
