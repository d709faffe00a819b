import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Counter, Registry } from 'prom-client'
import { z } from 'zod'
import { runFaultline } from '../parts/faultline-command.ts'
import { serve } from '../parts/sample-recorder.ts'

/** Of requests to the service one in forty fails. Some are for an address where nobody listens, so that no service can have counted them. */
const visitor = `
from locust import FastHttpUser, constant, task
import faultline_listeners

class Visitor(FastHttpUser):
    wait_time = constant(0.02)

    @task(60)
    def visit(self):
        self.client.get("/")

    @task(1)
    def nobody(self):
        self.client.get("http://127.0.0.1:1/", name="/nobody")
`
const experiment = (host: string) => `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: both-sides}
load: {users: 5, spawnRate: 5, host: '${host}', locustfile: visitor.py}
faults: []
hold: 12s
gates:
  - {name: errors, limit: rate, errorRate: {max: 10%}, reconcile: {with: served}}
  - {name: served, limit: rate, block: 2s, series: sum, errorRate: {max: 10%, total: served_total, bad: 'served_total{code="500"}'}}
`
const range = z.object({ least: z.number(), most: z.number() })
const judged = z.looseObject({
  run: z.string(), verdict: z.string(), reasons: z.array(z.string()),
  gates: z.tuple([
    z.looseObject({
      verdict: z.string(), evidence: z.string(), sequential: z.looseObject({ missingRequests: z.number() }),
      reconciliation: z.looseObject({
        is: z.string(), client: z.looseObject({ answered: range, bad: range, unanswered: z.number() }), server: z.looseObject({ requests: z.number(), bad: z.number() }),
      }),
    }),
    z.looseObject({ verdict: z.string() }),
  ]),
})

/** A run of real load on a real service, which is scraped by a real Prometheus. `counts`: whether the service counts a request that it answers so. */
async function judgementOf(counts: (code: number) => boolean, exitCode: number): Promise<z.output<typeof judged>> {
  const folder = mkdtempSync(join(tmpdir(), 'reconciled-'))
  const [temporary, file, results] = [join(folder, 'temporary'), join(folder, 'experiment.yaml'), join(folder, 'results')]
  try {
    const registry = new Registry()
    const served = new Counter({ name: 'served_total', help: 'Requests', labelNames: ['code'], registers: [registry] })
    let requests = 0
    await using service = await serve((request, response) => {
      if (request.url === '/metrics') return void registry.metrics().then(text => response.setHeader('content-type', registry.contentType).end(text))
      requests += 1
      const code = requests % 40 === 0 ? 500 : 200
      if (counts(code)) served.inc({ code })
      response.writeHead(code).end('answer')
    })
    mkdirSync(temporary)
    writeFileSync(join(folder, 'visitor.py'), visitor)
    writeFileSync(file, experiment(service.url))
    const { code, out, err } = await runFaultline(['run', file, '--scrape', new URL(service.url).host, '--results', results, '--json'], { temporary })
    assert.equal(code, exitCode, err + out)
    const judgement = judged.parse(JSON.parse(out))
    assert.match((await runFaultline(['replay', join(results, judgement.run)], { temporary })).out, new RegExp(`^${judgement.verdict}: byte-identical`))
    return judgement
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('a run passes when load and service tell of the same requests, with those apart that the load alone saw', { timeout: 120_000 }, async () => {
  const { verdict, gates: [{ evidence, reconciliation: { is, client, server } }] } = await judgementOf(() => true, 0)
  assert.deepEqual([verdict, is], ['passed', 'agreed'], evidence)
  assert.ok(server.requests > 500 && server.bad > 5 && client.unanswered > 0, evidence)
  assert.ok(client.answered.least <= server.requests && server.requests <= client.answered.most + client.unanswered, evidence)
})

test('a service that fails requests and does not count them leaves the run inconclusive, with the numbers of both sides', { timeout: 120_000 }, async () => {
  const { verdict, reasons, gates: [{ sequential, reconciliation: { client, server } }, other] } = await judgementOf(code => code !== 500, 2)
  assert.deepEqual([verdict, other.verdict, sequential.missingRequests, server.bad], ['inconclusive', 'passed', 0, 0], reasons.join('\n'))
  const { answered, bad } = client
  assert.match(reasons.join('\n'), new RegExp(`^errors \\(during\\): .*the load had ${answered.least} to ${answered.most} requests answered, (?:${bad.least} to )?${bad.most} bad, and alone saw \\d+ without an answer; `
    + `served counted ${server.requests}, 0 bad: they do not agree, since .*${bad.least} that were bad to the client were not counted as bad`))
})
