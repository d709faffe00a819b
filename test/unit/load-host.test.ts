import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHost } from '../../services/cli/load-host.ts'

const document = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'quiet' }, load: { users: 1, host: 'http://127.0.0.1:8000' }, faults: [], hold: '10s',
  gates: [{ name: 'errors', errorRate: { max: '1%' } }],
}

test('another host takes the place of the file\'s, and nothing else is changed', () => {
  assert.deepEqual(withHost(document, 'https://shop.example.com'), { ...document, load: { users: 1, host: 'https://shop.example.com' } })
})

test('an experiment without load stays as it is', () => {
  const { load: _load, ...without } = document
  assert.equal(withHost(without, 'http://127.0.0.1:1'), without)
})

test('a host that no experiment may have is refused with what was expected', () => {
  for (const host of ['127.0.0.1:8000', 'shop', '', 'ftp://shop']) {
    assert.throws(() => withHost(document, host), { code: 'bad_host', exitCode: 3, message: `--host ${host}: expected a URL such as http://127.0.0.1:8000` })
  }
  assert.throws(() => withHost(document, 'user:secret@shop:8000'), { message: '--host shop:8000: expected a URL such as http://127.0.0.1:8000' })
})
