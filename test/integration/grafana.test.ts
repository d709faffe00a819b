import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Children } from '#shared/process/children.ts'
import { readProcess } from '#shared/process/process-table.ts'
import { newSigningKey } from '#shared/signing-key.ts'
import { ApiClient } from '../../services/cli/api-client.ts'
import { registeredMetrics } from '../../services/cli/metrics-catalogue.ts'
import { sources } from '../../services/cli/generate.ts'
import { startEmbeddedServices } from '../../services/cli/local/embedded-services.ts'
import { writeEndpoints } from '../../services/cli/local/session.ts'
import { askSince, committedDashboards, filledIn, metricsIn, metricsNotHere, queriesOf } from '../parts/dashboard-queries.ts'
import { startNats } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { until } from '../parts/until.ts'
import { startWorker } from '../parts/worker.ts'

/**
 * Real runs of the embedded services, scraped by a real Prometheus: one whose gate is breached, one whose worker is killed, one that is refused, and one
 * that a policy began; then what every dashboard would ask.
 */
const visitor = `
from locust import FastHttpUser, constant, task
import faultline_listeners

class Visitor(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def visit(self):
        self.client.get("/")
`
const gates = [
  { name: 'works', promql: { query: 'sum(rate(work_done_total[3s]))', min: 50 } },
  { name: 'errors', errorRate: { max: '50%' } },
  { name: 'works-again', phase: 'recovery', promql: { query: 'sum(rate(work_done_total[3s]))', min: 1 } },
  { name: 'reachable', availability: { probe: 'front', min: '50%' } },
]
const written = (name: string, more: object) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name },
  faults: [{ kind: 'pause', target: { process: { match: 'faultline-test-worker' } }, at: '3s', duration: '20s' }],
  gates, recovery: { within: '20s', stable: '1s' }, ...more,
})

const owned = new AsyncDisposableStack()
let client: ApiClient
let prometheusUrl = ''
let scraped: { job: string; text: string }[] = []
let beganMs = 0
const runs: string[] = []

before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'grafana-'))
  owned.defer(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'visitor.py'), visitor)
  const worker = owned.use(await startWorker())
  const nats = owned.use(await startNats())
  const children = new Children(folder)
  owned.defer(() => children.close())
  const token = 'api-token'
  const subject = `http://${worker.address}`
  const services = owned.use(await startEmbeddedServices({
    haltFiles: [],
    folder, nats, token, verdictSeed: newSigningKey().seed, children, endpointsFolder: writeEndpoints(folder, { front: subject }),
    parents: [{ name: 'worker', pid: worker.pid, startTicks: readProcess(worker.pid)?.startTicks ?? assert.fail('the worker is gone') }],
  }))
  const prometheus = owned.use(await startPrometheus([...services.scrape, { job: 'worker', address: worker.address }]))
  prometheusUrl = prometheus.url
  await services.startEvaluator({ url: prometheus.url })
  client = new ApiClient({ apiUrl: services.apiUrl, token })

  beganMs = Date.now()
  const load = { users: 5, spawnRate: 10, host: subject, locustfile: join(folder, 'visitor.py') }
  const probes = [{ name: 'front', http: { endpoint: 'front', path: '/' } }]
  await judged(written('breached', { load, probes }), 'failed')
  await judged(written('killed', {
    faults: [{ kind: 'kill', target: { process: { match: 'faultline-test-worker' } }, at: '1s', signal: 'SIGKILL' }], gates: [{ name: 'works', promql: { query: 'sum(work_done_total)', min: 0 } }], hold: '2s',
  }), 'passed')
  await judged(written('nothing-to-pause', { faults: [{ kind: 'pause', target: { process: { match: 'no such process' } }, at: '1s', duration: '5s' }], gates: [{ name: 'any', promql: { query: 'vector(1)', max: 2 } }] }), 'inconclusive')
  await client.setPolicy('calm', {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Policy', metadata: { name: 'calm' }, scope: {}, rate: { mean: 7_200, per: 'hour' }, cooldown: '1h', wait: '1s',
    budgets: [{ slo: 'works', remaining: 'vector(1)', share: '100%' }],
    templates: [{ name: 'calm', experiment: { faults: [], hold: '2s', gates: [{ name: 'low', promql: { query: 'vector(1)', max: 2 }, interval: '500ms' }] } }],
  })
  // an increase takes two scrapes
  await until('Prometheus has scraped the last verdict, and twice a tick that was skipped', async () =>
    (await ask('count(faultline_run_judged_timestamp_seconds) == 4 and on() max(count_over_time(faultline_policy_skipped_total[1m])) > 1')).length > 0, 40_000)
  scraped = await Promise.all(services.scrape.map(async ({ job, address, bearerToken }) => ({ job, text: await (await fetch(`http://${address}/metrics`, { headers: { authorization: `Bearer ${bearerToken}` } })).text() })))
})
after(() => owned.disposeAsync())

/** Runs one to its verdict. */
async function judged(document: object, verdict: string): Promise<void> {
  const run = await client.submit(document, 'grafana.test.ts', [{ namespace: '', app: 'worker', version: '1' }])
  for await (const stored of client.facts(run, AbortSignal.timeout(90_000))) {
    if (stored.kind === 'run.judged') assert.equal(stored.fact.data.verdict, verdict, stored.fact.data.reasons.join('; '))
  }
  runs.push(run)
}

const ask = (expr: string) => askSince(beganMs, { url: prometheusUrl }, expr)
const asked = (expr: string, run = '') => filledIn(expr, { run, rangeSeconds: Math.ceil((Date.now() - beganMs) / 1_000) })
const isNotHere = (expr: string) => metricsIn(asked(expr)).some(metric => Object.values(metricsNotHere).flat().includes(metric))

for (const dashboard of committedDashboards()) {
  test(`${dashboard.file}: everything it asks has an answer`, async t => {
    const queries = queriesOf(dashboard)
    const silent: string[] = []
    let series = 0
    for (const { asks, expr } of queries) {
      const found = (await Promise.all(runs.map(run => ask(asked(expr, run))))).flat() // no run has all: an instant fault has no span
      series += found.length
      if (found.length === 0 && !isNotHere(expr)) silent.push(`${asks}: ${asked(expr)}`)
    }
    t.diagnostic(`${dashboard.file}: ${queries.length} queries, ${series} series, ${queries.filter(({ expr }) => isNotHere(expr)).length} of what is not here`)
    assert.deepEqual(silent, [])
  })
}

test('what is told to be not here has no series; nothing is excused that has', async () => {
  for (const metric of Object.values(metricsNotHere).flat()) assert.deepEqual(await ask(metric), [], metric)
})

test('the annotations are the runs as they were: the pause as a span, the kill as a date, and each verdict', async () => {
  const [{ annotations } = assert.fail()] = committedDashboards().filter(({ file }) => file === 'overview.json')
  const [faults = [], instants = [], verdicts = []] = await Promise.all(annotations.list.map(({ expr }) => ask(asked(expr))))
  assert.deepEqual(faults.map(({ metric }) => [metric['experiment'], metric['fault'], metric['kind']]), [['breached', '1-pause', 'pause']])
  assert.deepEqual(instants.map(({ metric }) => [metric['experiment'], metric['kind']]), [['killed', 'kill']])
  assert.deepEqual(new Map(verdicts.map(({ metric }) => [metric['experiment'], metric['verdict']])), new Map([['breached', 'failed'], ['killed', 'passed'], ['nothing-to-pause', 'inconclusive'], ['calm-calm', 'passed']]))
  assert.equal(verdicts.length, 4)
  for (const { values } of [...instants, ...verdicts]) {
    for (const [, ms] of values) assert.ok(Number(ms) >= beganMs && Number(ms) <= Date.now(), `${ms} is a date in milliseconds`)
  }
})

test('counters and times are those of the runs', async () => {
  const last = async (expr: string) => Number((await ask(expr))[0]?.values.at(-1)?.[1])
  assert.equal(await last('sum(faultline_runs_judged_total)'), 4)
  assert.equal(await last('faultline_faults_injected_total{kind="pause"}'), 1)
  assert.equal(await last('faultline_faults_reverted_total{kind="pause",cause="abort",verified="true"}'), 1)
  assert.equal(await last('faultline_runs_aborted_total{cause="gate"}'), 1)
  assert.equal(await last('faultline_runs_aborted_total{cause="refused"}'), 1)
  assert.equal(await last('faultline_breach_to_reverted_seconds_count'), 1)
  const [toAbort, toReverted] = [await last('faultline_breach_to_abort_seconds_sum'), await last('faultline_breach_to_reverted_seconds_sum')]
  assert.ok(toAbort > 0 && toAbort <= toReverted + 0.01 && toReverted < 3, `breach to abort ${toAbort} s, to reverted ${toReverted} s`)
})

test('docs/metrics.md has every metric that the services show, with its type', () => {
  const registered = registeredMetrics(sources())
  for (const { job, text } of scraped) {
    const shown = [...text.matchAll(/^# TYPE (faultline_\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`)
    assert.ok(shown.length > 0, `${job} shows nothing`)
    const known = new Set(registered.filter(({ service }) => service === job || service === 'every service').map(({ name, type }) => `${name} ${type}`))
    assert.deepEqual(shown.filter(metric => !known.has(metric)), [], job)
    assert.deepEqual([...known].filter(metric => !shown.includes(metric)), [], `${job} does not show these`)
  }
})
