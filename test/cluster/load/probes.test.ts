/** Probes from every node: the shop's PostgreSQL loses its primary, and each acknowledged write is looked for afterwards. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { judge } from '#shared/verdict.ts'
import { deploy } from '../../../services/cli/deploy/deploy.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { parts } from '../../../services/cli/deploy/parts.ts'
import { forwardScheduler, installed, inSystem } from '../faultline/installed.ts'

before(async () => {
  await installed() // before the shop, so that deploying it is what tells the probers where it is
  await deploy(parts.shop, {}, () => undefined)
})

const orders = { path: '/api/orders/{id}' }
const experiment = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'primary-loss' },
  faults: [{ kind: 'pod-kill', at: '3s', target: { pods: { namespace: 'jewelry-shop', labels: { 'app.kubernetes.io/name': 'postgres', role: 'primary' } } } }],
  probes: [
    { name: 'orders', interval: '500ms', timeout: '2s', http: { endpoint: 'shop', write: orders, read: orders } },
    { name: 'rows', postgres: { endpoint: 'shop-database' } },
    { name: 'keys', redis: { endpoint: 'shop-redis' } },
  ],
  gates: [
    { name: 'service-back', recoveryTime: { probe: 'orders', max: '30s' } }, { name: 'orders-kept', lostWrites: { probe: 'orders' } },
    { name: 'database-back', recoveryTime: { probe: 'rows', max: '30s' } }, { name: 'rows-kept', lostWrites: { probe: 'rows' } },
    { name: 'point', rpo: { probe: 'rows', max: '15m' } }, { name: 'keys-kept', lostWrites: { probe: 'keys' } },
  ],
  hold: '10s', recovery: { within: '30s', stable: '3s' },
}

test('the primary of PostgreSQL is killed: the service is back in 30 s, and no acknowledged write is lost, as seen from every node', async () => {
  await using scheduler = await forwardScheduler()
  const judgement = judge(await scheduler.facts(await scheduler.submit(experiment)))
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('\n'))
  const nodes = (await kubectl(['get', 'nodes', '--output', 'name'])).trim().split('\n')
  const rows = judgement.probes.filter(({ name }) => name === 'rows')
  assert.equal(rows.length, nodes.length, 'a prober on every node')
  for (const { node, ledger, rtoMs, failures } of rows) {
    assert.ok(failures > 0 && rtoMs !== null && rtoMs > 0, `the loss of the primary was seen from ${node}`)
    assert.ok(ledger !== null && ledger.acknowledged > 50 && ledger.missing === 0, `${node}: ${JSON.stringify(ledger)}`)
  }
})

test('the user of the probers may write into their ledger, and sees nothing of the shop', async () => {
  const password = await kubectl(['--namespace', 'jewelry-shop', 'get', 'secret', 'postgres', '--output', 'go-template={{.data.prober | base64decode}}'])
  const ask = (sql: string) => kubectl(['--namespace', 'jewelry-shop', 'exec', '--stdin', 'postgres-0', '--container', 'postgres', '--', 'psql', '--no-psqlrc', '--tuples-only', `postgresql://prober:${password}@postgres/shop`], sql)
  assert.match(await ask('SELECT count(*) FROM faultline_ledger'), /^\s*\d+\s*$/)
  for (const sql of ['SELECT 1 FROM store_order', 'CREATE TABLE other (id int)', 'TRUNCATE faultline_ledger']) {
    await assert.rejects(ask(`\\set ON_ERROR_STOP 1\n${sql};`), /permission denied/, sql)
  }
})

test('the prober has no capability, no token of the API and no address in its log', async () => {
  const [pod = ''] = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=prober', '--output', 'name')).trim().split('\n')
  const status = await inSystem('exec', pod, '--', 'cat', '/proc/1/status')
  assert.match(status, /CapEff:\s0{16}/)
  await assert.rejects(inSystem('exec', pod, '--', 'ls', '/var/run/secrets/kubernetes.io'))
  const password = await kubectl(['--namespace', 'jewelry-shop', 'get', 'secret', 'postgres', '--output', 'go-template={{.data.prober | base64decode}}'])
  assert.ok(!(await inSystem('logs', pod)).includes(password))
})
