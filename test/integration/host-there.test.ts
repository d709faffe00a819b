import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePort } from '#shared/process/free-port.ts'
import { hostWarnings } from '../../services/cli/host-there.ts'
import { temporaryFolder } from '../parts/child.ts'
import { before, runFaultline, startFaultline } from '../parts/faultline-command.ts'
import { until } from '../parts/until.ts'

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

test('a run says at its begin that nobody is where its load goes, and refuses endpoints that are in no folder', async () => {
  using folder = temporaryFolder('host-there')
  const file = join(folder.path, 'experiment.json')
  const host = `http://127.0.0.1:${await freePort()}`
  writeFileSync(file, JSON.stringify({ apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'alone' }, load: { users: 1, host: 'http://127.0.0.1:8000' }, faults: [], hold: '10s', gates: [{ name: 'errors', errorRate: { max: '1%' } }] }))
  const where = { temporary: folder.path }
  const refused = await runFaultline(['run', file, '--endpoints', join(folder.path, 'nowhere')], where)
  assert.deepEqual([refused.code, refused.out], [3, ''])
  assert.match(refused.err, /^NotReady: --endpoints .*nowhere: there is no such folder; /m)
  await using command = startFaultline(['run', file, '--host', host, '--results', join(folder.path, 'results')], where)
  let said = ''
  command.child.stderr?.on('data', chunk => { said += String(chunk) })
  await before(command.ended, until('it says so', () => said.includes(`warning: nobody is at ${host}`), 30_000, { now: () => said }), 'the warning')
  command.child.kill('SIGINT')
  assert.equal((await command.ended).code, 2)
})
