/** faultline's load in a cluster: the bridge, Locust and the shop, all of whose images are on the nodes, in whatever order they come. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { z } from 'zod'
import { figuresOf } from '#shared/load-figures.ts'
import { judge } from '#shared/verdict.ts'
import { deploy } from '../../../services/cli/deploy/deploy.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { parts } from '../../../services/cli/deploy/parts.ts'
import { uninstall } from '../../../services/cli/install/install.ts'
import { forwardScheduler, installed, inSystem } from '../faultline/installed.ts'

const quiet = () => undefined
const inLocust = (...args: string[]) => kubectl(['--namespace', 'locust', ...args])

before(async () => {
  await uninstall({ patienceS: 60 }, quiet)
  await kubectl(['delete', 'namespace', 'locust', '--ignore-not-found'])
  await deploy(parts.shop, {}, quiet)
})

const experiment = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'load-in-cluster' },
  load: { users: 20, spawnRate: 20, host: 'http://shop.jewelry-shop', parameters: { think_scale: 0.5 } },
  faults: [], hold: '8s',
  gates: [
    { name: 'errors', errorRate: { max: '1%' }, window: '2s', minRequests: 1, noDataAfter: '30s' },
    { name: 'p95', latency: { quantile: 0.95, max: '5s' }, window: '2s', minRequests: 1, noDataAfter: '30s' },
  ],
}

async function run() {
  await using scheduler = await forwardScheduler()
  const facts = await scheduler.facts(await scheduler.submit(experiment))
  return { facts, judgement: judge(facts) }
}

/** Both tokens as each side has them, and the pods that read them. */
async function joint() {
  const value = (key: string) => ['--output', `go-template={{index .data "${key}" | base64decode}}`]
  const pods = (name: string) => ['get', 'pods', '--selector', `app.kubernetes.io/name=${name}`, '--output', 'jsonpath={.items[*].metadata.uid}']
  return {
    web: [await inLocust('get', 'secret', 'locust-web', ...value('token')), await inSystem('get', 'secret', 'locust-web', ...value('token'))],
    samples: [await inSystem('get', 'secret', 'faultline', ...value('samples-token')), await inLocust('get', 'secret', 'locust-bridge', ...value('token'))],
    bridge: await inSystem(...pods('locust-bridge')),
    workers: await inLocust(...pods('locust-worker')),
  }
}

async function passes() {
  const { facts, judgement } = await run()
  const unread = facts.flatMap(stored => stored.kind === 'gate.status' || stored.kind === 'gate.closed' ? stored.fact.data.looks ?? [] : [])
    .flatMap(({ gate, measurement }) => measurement.is === 'no-data' ? [`${gate}: ${measurement.why}`] : [])
  assert.equal(judgement.verdict, 'passed', [...judgement.reasons, ...unread].join('; '))
  const samples = facts.flatMap(stored => stored.kind === 'load.sample' ? [stored.fact.data] : [])
  const figures = figuresOf(samples)
  assert.ok(figures.requests > 20, `${figures.requests} requests`)
  const stats = statsSchema.parse(facts.flatMap(stored => stored.kind === 'load.stats' ? [stored.fact.data.stats] : [])[0])
  const sum = stats.stats.find(({ name }) => name === 'Aggregated')
  assert.deepEqual([sum?.num_requests, sum?.num_failures], [figures.requests, figures.failures], 'Locust has counted the same')
}
const statsSchema = z.looseObject({ stats: z.array(z.looseObject({ name: z.string(), num_requests: z.number(), num_failures: z.number() })) })

test('a bridge whose Locust is not there is ready, and a run with load is inconclusive and says why', async () => {
  await installed() // waits until the bridge is ready
  const { judgement } = await run()
  assert.equal(judgement.verdict, 'inconclusive')
  assert.match(judgement.reasons.join('; '), /Locust at http:\/\/locust-master\.locust:8089 gave no usable answer.*locust-master\.locust/)
})

test('Locust, deployed later, and the bridge are given each other\'s tokens; a load has its samples, gates and verdict, and Locust has counted the same', async () => {
  await deploy(parts.locust, {}, quiet)
  const { web, samples } = await joint()
  assert.ok(web[0] && web[0] === web[1])
  assert.ok(samples[0] && samples[0] === samples[1])
  await passes()
})

test('installed and deployed again, no token changes and nothing is restarted', async () => {
  const before = await joint()
  await installed()
  await deploy(parts.locust, {}, quiet)
  assert.deepEqual(await joint(), before)
})

test('faultline, installed anew beside a Locust that stayed, has new tokens, which the workers are restarted for', async () => {
  const before = await joint()
  await uninstall({ patienceS: 60 }, quiet)
  await installed()
  const after = await joint()
  assert.deepEqual(after.web, before.web)
  assert.ok(after.samples[0] === after.samples[1] && after.samples[0] !== before.samples[0])
  assert.notEqual(after.workers, before.workers)
  await passes()
})
