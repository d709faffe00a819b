import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gateKinds } from '#shared/gate-kinds.ts'
import { probeKinds } from '#shared/probe-kinds.ts'
import type { ProbeFigures } from '#shared/probe.ts'

const seen: ProbeFigures = { attempts: 200, failures: 20, recoveryTimeMs: 12_300, steady: true, ledger: { acknowledged: 180, missing: 0, unread: 0 }, rpoMs: 0 }

function judged(kind: string, parameters: object, figures: Partial<ProbeFigures> = {}): [verdict: string, value: number | null, evidence: string] {
  const rule = gateKinds.get(kind)?.bound.parse({ probe: 'orders', ...parameters })
  assert.ok(rule?.probe, kind)
  assert.deepEqual([rule.probe.name, rule.query({ run: 'r', windowMs: 1_000 }), rule.measure({ startMs: 0, endMs: 1, samples: [], latestByWorker: [] }).is], ['orders', '', 'no-data'])
  const { verdict, value, evidence } = rule.probe.judge({ ...seen, ...figures })
  return [verdict, value, evidence]
}
const kinds: [kind: string, parameters: object][] = [['recoveryTime', { max: '30s' }], ['lostWrites', {}], ['rpo', { max: '15m' }], ['availability', { min: '90%' }]]

test('each gate on a probe holds its own figure against its limit, and equal holds', () => {
  assert.deepEqual(judged('recoveryTime', { max: '12.3s' }), ['passed', 12.3, '12.3 s, 20 of 200 attempts failed'])
  assert.equal(judged('recoveryTime', { max: '12s' })[0], 'failed')
  assert.deepEqual(judged('lostWrites', {}), ['passed', 0, '0 of 180 acknowledged writes are missing'])
  assert.deepEqual(judged('lostWrites', {}, { ledger: { acknowledged: 180, missing: 1, unread: 0 } }), ['failed', 1, '1 of 180 acknowledged writes are missing'])
  assert.equal(judged('lostWrites', { max: 1 }, { ledger: { acknowledged: 180, missing: 1, unread: 0 } })[0], 'passed')
  assert.deepEqual(judged('rpo', { max: '15m' }), ['passed', 0, '0 s: none of 180 acknowledged writes is missing'])
  assert.deepEqual(judged('rpo', { max: '1s' }, { rpoMs: 1_500, ledger: { acknowledged: 9, missing: 2, unread: 0 } }), ['failed', 1.5, '1.5 s'])
  assert.deepEqual(judged('availability', { min: '90%' }), ['passed', 0.9, '90 % (20 failed of 200 attempts)'])
  assert.equal(judged('availability', { min: '90.1%' })[0], 'failed')
})

for (const [kind, parameters] of kinds) {
  test(`without evidence, ${kind} never passes`, () => {
    const never: ProbeFigures = { attempts: 0, failures: 0, recoveryTimeMs: 0, steady: true, rpoMs: 0, blind: 'no prober that counts has watched orders', ledgerBlind: 'no ledger came' }
    const rule = gateKinds.get(kind)?.bound.parse({ probe: 'orders', ...parameters })
    assert.deepEqual(rule?.probe?.judge(never), { verdict: 'inconclusive', value: null, evidence: 'no prober that counts has watched orders' })
    assert.equal(judged(kind, parameters, { blind: 'nobody watched for 3000 ms' })[0], 'inconclusive')
  })
}

test('a probe that was never attempted says so', () => assert.match(judged('recoveryTime', { max: '30s' }, { attempts: 0 })[2], /never attempted/))

test('what was seen to break a limit has broken it, however little else was seen', () => {
  const blind = { blind: 'nobody watched for 3000 ms', ledgerBlind: 'the ledger of the prober on n2 never came' }
  assert.equal(judged('recoveryTime', { max: '12s' }, blind)[0], 'failed')
  assert.equal(judged('lostWrites', {}, { ...blind, ledger: { acknowledged: 180, missing: 1, unread: 9 } })[0], 'failed')
})

test('a recovery that was not seen to its end is inconclusive while it is within the limit', () => {
  assert.deepEqual(judged('recoveryTime', { max: '30s' }, { steady: false }).slice(0, 2), ['inconclusive', 12.3])
  assert.equal(judged('recoveryTime', { max: '10s' }, { steady: false })[0], 'failed')
})

test('a ledger without an acknowledged write, or one that never came, proves no write safe', () => {
  for (const kind of ['lostWrites', 'rpo']) {
    assert.match(judged(kind, { max: kind === 'rpo' ? '1m' : 0 }, { ledger: { acknowledged: 0, missing: 0, unread: 0 } })[2], /no write was acknowledged/)
    const { ledger: _, ...without } = seen
    const rule = gateKinds.get(kind)?.bound.parse({ probe: 'orders', max: kind === 'rpo' ? '1m' : 0 })
    assert.deepEqual(rule?.probe?.judge({ ...without, ledgerBlind: 'no ledger came' }), { verdict: 'inconclusive', value: null, evidence: 'no ledger came' })
    assert.deepEqual(rule?.probe?.judge(without), { verdict: 'inconclusive', value: null, evidence: 'nothing was measured' })
    assert.equal(judged(kind, { max: kind === 'rpo' ? '1m' : 0 }, { ledgerBlind: '4 acknowledged writes could not be looked for' })[0], 'inconclusive')
  }
})

const bound = (kind: string, parameters: object) => probeKinds.get(kind)?.bound.safeParse({ endpoint: 'shop', ...parameters }).data

test('every kind of probe becomes a plan, with a ledger where it writes', () => {
  assert.deepEqual(bound('tcp', {}), { endpoint: 'shop', plan: { by: 'tcp' }, description: 'a connection to shop' })
  assert.deepEqual(bound('http', { path: '/' }), { endpoint: 'shop', plan: { by: 'http', read: { path: '/' } }, description: 'GET / at shop' })
  const orders = { write: { path: '/api/orders/{id}' }, read: { path: '/api/orders/{id}' } }
  assert.deepEqual(bound('http', orders)?.plan, { by: 'http', write: { method: 'PUT', path: '/api/orders/{id}' }, read: { path: '/api/orders/{id}' } })
  assert.deepEqual(bound('http', { ...orders, write: { method: 'POST', path: '/{id}', body: '{}' } })?.plan, { by: 'http', write: { method: 'POST', path: '/{id}', body: '{}' }, read: { path: '/api/orders/{id}' } })
  assert.deepEqual(bound('postgres', {}), { endpoint: 'shop', plan: { by: 'postgres', ledger: true }, description: 'an insert into shop' })
  assert.equal(bound('postgres', { ledger: false })?.description, 'a query to shop')
  assert.deepEqual(bound('redis', {}), { endpoint: 'shop', plan: { by: 'redis', ledger: true, replicas: 1 }, description: 'a key set in shop, and seen by 1 of its replicas' })
  assert.equal(bound('redis', { replicas: 0 })?.description, 'a key set in shop')
  assert.equal(bound('redis', { ledger: false })?.description, 'a PING to shop')
})

test('an http probe either reads a path or writes and reads by id', () => {
  const orders = { write: { path: '/{id}' }, read: { path: '/{id}' } }
  for (const parameters of [{}, { path: '/', ...orders }, { write: orders.write }, { read: orders.read }, { path: '//elsewhere' }, { path: '/\\elsewhere' }, { path: '/a b' }, { path: 'http://elsewhere' }]) {
    assert.equal(bound('http', parameters), undefined, JSON.stringify(parameters))
  }
})
