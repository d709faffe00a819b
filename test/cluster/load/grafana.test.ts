/** What the dashboards ask, of faultline's own Prometheus in the cluster, after two runs on the shop under load, and one that a policy began. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { judge } from '#shared/verdict.ts'
import { deploy } from '../../../services/cli/deploy/deploy.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { parts } from '../../../services/cli/deploy/parts.ts'
import { forwardPrometheus, forwardScheduler, installed } from '../faultline/installed.ts'
import { askSince, committedDashboards, filledIn, metricsIn, metricsNotHere, queriesOf } from '../../parts/dashboard-queries.ts'
import { until } from '../../parts/until.ts'

const quiet = () => undefined
const shopPods = { namespace: 'jewelry-shop', owner: { kind: 'Deployment', name: 'shop' } }
const written = (name: string, more: object) => ({ apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name }, lease: '15s', recovery: { within: '30s', stable: '1s' }, ...more })

/** It breaks a second after the pause begins, whatever the shop does. */
const breached = written('dashboards-breached', {
  load: { users: 20, spawnRate: 20, host: 'http://shop.jewelry-shop', parameters: { think_scale: 0.5 } },
  faults: [{ kind: 'pod-pause', target: { pods: shopPods }, at: '3s', duration: '20s' }],
  probes: [{ name: 'front', interval: '500ms', timeout: '2s', http: { endpoint: 'shop', path: '/' } }],
  gates: [
    { name: 'breaks', promql: { query: 'vector(1)', max: 0 } }, { name: 'errors', errorRate: { max: '100%' }, minRequests: 1, noDataAfter: '30s' },
    { name: 'again', phase: 'recovery', promql: { query: 'vector(1)', max: 2 } }, { name: 'reachable', availability: { probe: 'front', min: '1%' } },
  ],
})
const killed = written('dashboards-killed', {
  faults: [{ kind: 'pod-kill', target: { pods: shopPods }, at: '1s' }], gates: [{ name: 'any', promql: { query: 'vector(1)', max: 2 } }], hold: '3s',
})

/** One run, and then ticks that are left out since nothing may begin for an hour. */
const calm = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Policy', metadata: { name: 'calm', namespace: shopPods.namespace }, scope: {}, rate: { mean: 7_200, per: 'hour' }, cooldown: '1h', wait: '1s',
  budgets: [{ slo: 'whole', remaining: 'vector(1)', share: '100%' }],
  templates: [{ name: 'calm', experiment: { faults: [], hold: '2s', gates: [{ name: 'low', promql: { query: 'vector(1)', max: 2 } }] } }],
}

const [runs, beganMs] = [[] as string[], Date.now()]
before(async () => {
  await installed()
  await deploy(parts.shop, {}, quiet)
  await deploy(parts.locust, {}, quiet)
  await using scheduler = await forwardScheduler()
  for (const [document, verdict] of [[breached, 'failed'], [killed, 'passed']] as const) {
    const run = await scheduler.submit(document)
    const judgement = judge(await scheduler.facts(run))
    assert.equal(judgement.verdict, verdict, judgement.reasons.join('\n'))
    runs.push(run)
  }
  await kubectl(['apply', '--filename', '-'], JSON.stringify(calm))
  await using prometheus = await forwardPrometheus()
  await until('a tick that was left out is scraped twice', async () => (await askSince(beganMs, prometheus, 'max(count_over_time(faultline_policy_skipped_total[1m])) > 1')).length > 0, 90_000, { lookMs: 500 })
})
after(() => kubectl(['--namespace', shopPods.namespace, 'delete', 'policy', 'calm', '--ignore-not-found']))

test('everything that the dashboards ask has an answer in a cluster', async t => {
  await using prometheus = await forwardPrometheus()
  const notHere = Object.entries(metricsNotHere).flatMap(([why, metrics]) => why.includes('in a cluster') ? [] : metrics)
  const silent: string[] = []
  let asked = 0
  for (const { asks, expr } of committedDashboards().flatMap(queriesOf)) {
    const filled = (run: string) => filledIn(expr, { run, rangeSeconds: Math.ceil((Date.now() - beganMs) / 1_000) })
    if (metricsIn(filled('')).some(metric => notHere.includes(metric))) continue
    asked++
    const found = (await Promise.all(runs.map(run => askSince(beganMs, prometheus, filled(run))))).flat()
    if (found.length === 0) silent.push(`${asks}: ${filled('')}`)
  }
  t.diagnostic(`${asked} queries`)
  assert.deepEqual(silent, [])
})

test('each node\'s agent is there, one scheduler leads, and every service is connected', async () => {
  await using prometheus = await forwardPrometheus()
  const last = async (expr: string) => Number((await askSince(beganMs, prometheus, expr))[0]?.values.at(-1)?.[1])
  const nodes = (await kubectl(['get', 'nodes', '--output', 'name'])).trim().split('\n').length
  assert.equal(await last('sum(max by (node) (faultline_agent_up))'), nodes + 1, 'those of the nodes, and the API-side one')
  assert.equal(await last('sum(faultline_scheduler_leader)'), 1)
  assert.equal(await last('min(faultline_nats_connected)'), 1)
})
