import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { freePort } from '#shared/process/free-port.ts'
import { hostWarnings } from '../../services/cli/host-there.ts'

test('of the hosts of a load those are told of at which nobody listens, each once and without a login', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const there = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const gone = `127.0.0.1:${await freePort()}`
    assert.deepEqual(await hostWarnings([there]), [])
    const told = await hostWarnings([`http://user:secret@${gone}`, there, `http://user:secret@${gone}`])
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', new RegExp(`^warning: nobody is at http://[^ ]*${gone.replaceAll('.', '\\.')}/?, to which the load goes \\(ECONNREFUSED\\): .* --host\\)\\?$`))
    assert.doesNotMatch(told.join(), /secret@/)
  } finally {
    server.close()
  }
})
