import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { experimentSchema } from '#shared/experiment.ts'
import { freePort } from '#shared/process/free-port.ts'
import { demandPrometheus, prometheusThere } from '../../services/cli/prometheus-there.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startFaultline } from '../parts/faultline-command.ts'
import { startPrometheus } from '../parts/prometheus.ts'

const document = (gates: unknown[]) => ({ apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'asks' }, load: { users: 1, host: 'http://127.0.0.1:8000' }, faults: [], hold: '10s', gates })
const asking = document([{ name: 'own', promql: { query: 'sum(shop_errors)', max: 1 } }, { name: 'load', errorRate: { max: '1%' } }])
const experiments = [experimentSchema.parse(asking)]

test('a real Prometheus is taken, though it knows nothing of what the gates ask', async () => {
  await using prometheus = await startPrometheus([])
  await demandPrometheus(prometheus, experiments)
})

test('another service at its address is refused, with the gates that would have read it, and not where none would', async () => {
  const server = createServer((_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>shop</h1>')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await assert.rejects(demandPrometheus({ url }, experiments, { patienceMs: 0 }), { code: 'prometheus_unreadable', exitCode: 4, message: /the gates own read it, so that no run could pass/ })
    await demandPrometheus({ url }, [experimentSchema.parse(document([{ name: 'load', errorRate: { max: '1%' } }]))])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('one that is not ready yet, as just after its start, is asked again', async () => {
  await using prometheus = await startPrometheus([])
  let asked = 0
  const server = createServer((request, response) => void (async () => {
    if (++asked === 1) return response.writeHead(503).end('Service Unavailable')
    const answer = await fetch(new URL(request.url ?? '', prometheus.url), { method: request.method ?? 'GET', headers: { 'content-type': request.headers['content-type'] ?? '' }, body: await text(request) })
    return response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  })()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await demandPrometheus({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, experiments)
    assert.equal(asked, 2)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('what is no URL is refused, whether a gate would read it or not', () => {
  for (const text of ['nonsense', '127.0.0.1:9090', 'localhost:9090', 'ftp://127.0.0.1']) assert.throws(() => prometheusThere(text), { code: 'bad_prometheus', exitCode: 3, message: /expected a URL such as http:/ }, text)
  assert.equal(prometheusThere('http://127.0.0.1:9090')?.url, 'http://127.0.0.1:9090')
})

test('a run whose Prometheus is not there ends before anything is begun', async () => {
  using folder = temporaryFolder('prometheus-there')
  const file = join(folder.path, 'experiment.json')
  await writeFile(file, JSON.stringify(asking))
  const url = `http://127.0.0.1:${await freePort()}`
  await using command = startFaultline(['run', file, '--prometheus', url, '--results', join(folder.path, 'results')], { temporary: folder.path })
  const { code, out, err } = await command.ended
  assert.deepEqual([code, out], [4, ''])
  assert.match(err, /^it is asked again for up to 10 s$/m)
  assert.match(err, new RegExp(`^PrometheusUnreadable: Prometheus at ${url} did not answer the query: connect ECONNREFUSED`, 'm'))
})
