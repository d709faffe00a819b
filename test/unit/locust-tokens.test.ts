import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyNeeded } from '../../services/cli/deploy/locust-tokens.ts'

const places = { from: { namespace: 'locust', name: 'locust-web', key: 'token' }, to: { namespace: 'faultline-system', name: 'locust-web', key: 'token' } }
const secret = (token: string, annotations: Record<string, string> = {}) => ({ metadata: { annotations }, data: { token } })
const ours = { 'faultline.dev/copied-from': 'locust/locust-web' }

test('a token is passed once its source is there, and not again', () => {
  assert.equal(copyNeeded(undefined, undefined, places), 'none')
  assert.equal(copyNeeded('abc', undefined, places), 'make')
  assert.equal(copyNeeded('abc', secret('abc', ours), places), 'none')
  assert.equal(copyNeeded(undefined, secret('abc', ours), places), 'none', 'a copy outlives its source until there is another')
})

test('a copy of a source that is no more is renewed, and a Secret that somebody made is left alone', () => {
  assert.equal(copyNeeded('new', secret('old', ours), places), 'renew')
  assert.equal(copyNeeded('new', secret('old'), places), 'not ours')
  assert.equal(copyNeeded('new', secret('old', { 'faultline.dev/copied-from': 'elsewhere/locust-web' }), places), 'not ours')
  assert.equal(copyNeeded('same', secret('same'), places), 'none')
})
