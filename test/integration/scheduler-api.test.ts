import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { RequestRefused, type ApiClient } from '../../services/cli/api-client.ts'
import { startNats } from '../parts/nats.ts'
import { apiToken, serveScheduler } from '../parts/served-scheduler.ts'

const owned = new AsyncDisposableStack()
let url = ''
let client: ApiClient

before(async () => {
  const nats = owned.use(await startNats())
  const served = owned.use(await serveScheduler(nats, { metricsToken: 'metrics-token' }))
  url = served.url
  client = served.client
})
after(() => owned.disposeAsync())

const experiment = (more: object = {}) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'waits' },
  faults: [{ kind: 'pause', target: { process: { match: 'worker' } }, at: '60s', duration: '1s' }],
  gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
  ...more,
})

async function ask(method: string, path: string, { body, bearer = apiToken }: { body?: string; bearer?: string } = {}): Promise<{ status: number; json: unknown }> {
  const response = await fetch(url + path, {
    method, headers: { ...(bearer && { authorization: `Bearer ${bearer}` }), ...(body !== undefined && { 'content-type': 'application/json' }) }, ...(body !== undefined && { body }),
  })
  const text = await response.text()
  try {
    return { status: response.status, json: JSON.parse(text) as unknown }
  } catch {
    return { status: response.status, json: text }
  }
}

test('every route but health asks for the token, in full', async () => {
  for (const path of ['/healthz', '/readyz']) assert.equal((await ask('GET', path, { bearer: '' })).status, 200)
  for (const [method, path] of [['GET', '/metrics'], ['GET', '/api/v1/runs'], ['GET', '/api/v1/runs/r'], ['POST', '/api/v1/runs'], ['POST', '/api/v1/plan'], ['GET', '/api/v1/runs/r/events'], ['GET', '/api/v1/runs/r/live'], ['GET', '/api/v1/events'], ['POST', '/api/v1/runs/r/abort'], ['POST', '/api/v1/abort'], ['GET', '/api/v1/halt'], ['POST', '/api/v1/halt'], ['POST', '/api/v1/resume']] as const) {
    for (const bearer of ['', 'api-toke', 'api-token2', 'API-TOKEN']) assert.equal((await ask(method, path, { bearer })).status, 401, `${method} ${path} with ${JSON.stringify(bearer)}`)
  }
  assert.match(String((await ask('GET', '/metrics')).json), /^faultline_runs_active\{service="scheduler"\} \d/m)
})

test('the token of the metrics opens them and nothing else', async () => {
  assert.equal((await ask('GET', '/metrics', { bearer: 'metrics-token' })).status, 200)
  for (const [method, path] of [['GET', '/api/v1/runs'], ['POST', '/api/v1/runs'], ['POST', '/api/v1/abort']] as const) assert.equal((await ask(method, path, { bearer: 'metrics-token' })).status, 403)
})

test('a run is submitted, listed, watched from its first fact, and aborted; an abort again finds nothing to do', async () => {
  const run = await client.submit(experiment(), 'waits.yaml')
  assert.match(run, /^waits-\d{8}-\d{6}-[0-9a-f]{4}$/)
  assert.ok(z.array(z.looseObject({ run: z.string() })).parse(await client.runs()).some(known => known.run === run))
  const watching = new AbortController()
  const seen: string[] = []
  try {
    for await (const { kind } of client.facts(run, watching.signal)) {
      seen.push(kind)
      if (kind === 'run.phase') assert.equal(await client.abort(run), true)
      if (kind === 'run.sealed') watching.abort() // nobody judges here
    }
  } catch (error) {
    assert.ok(watching.signal.aborted, String(error))
  }
  assert.deepEqual(seen, ['run.submitted', 'run.phase', 'run.aborting', 'run.sealed'])
  assert.equal(await client.abort(run), false)
  const { json } = await ask('GET', `/api/v1/runs/${run}`)
  assert.deepEqual(z.looseObject({ phase: z.string(), aborting: z.string() }).parse(json).aborting, 'user: aborted by a user')
})

test('abort all aborts what is under way, and only that', async () => {
  const runs = [await client.submit(experiment(), 'a'), await client.submit(experiment(), 'b')]
  assert.deepEqual((await client.abortAll()).sort(), runs.sort())
})

test('a plan says why nothing would be done, and submits nothing', async () => {
  const before = (await client.runs()).length
  const [refused] = await client.plan(experiment())
  assert.deepEqual([refused?.fault, refused?.candidates], ['1-pause', []])
  assert.match(refused?.refusals[0]?.why ?? '', /no agent that is alive can do pause/)
  assert.equal((await ask('POST', '/api/v1/plan', { body: JSON.stringify({ experiment: { kind: 'Experiment' } }) })).status, 400)
  assert.equal((await client.runs()).length, before)
})

test('a run with load is refused while another has the load generator', async () => {
  const load = { users: 1, host: 'http://127.0.0.1:9' }
  const first = await client.submit(experiment({ load }), 'first')
  await assert.rejects(client.submit(experiment({ load }), 'second'), (error: unknown) => error instanceof RequestRefused && /409.*has the load generator/.test(error.message))
  await client.abort(first)
})

test('what is no experiment is refused with every problem, and nothing is submitted', async () => {
  const before = (await client.runs()).length
  const { status, json } = await ask('POST', '/api/v1/runs', { body: JSON.stringify({ experiment: { ...experiment(), kind: 'Experimnt', gates: [{ name: '../x', promql: { query: 'sum(' } }] } }) })
  assert.equal(status, 400)
  const problems = z.object({ problems: z.array(z.object({ path: z.string() })) }).parse(json).problems.map(({ path }) => path)
  assert.ok(problems.includes('experiment.kind') && problems.some(path => path.startsWith('experiment.gates.0')), problems.join())
  const bodies = ['', '{', '[]', 'null', '{"experiment":null}', '{"experiment":{},"more":1}', JSON.stringify({ experiment: experiment({ description: '\ud800' }) }), `{"experiment":${JSON.stringify(experiment())},"__proto__":{}}`]
  for (const body of bodies) assert.equal((await ask('POST', '/api/v1/runs', { body })).status, 400, body)
  assert.equal((await ask('POST', '/api/v1/runs', { body: JSON.stringify({ experiment: 'x'.repeat(1_100_000) }) })).status, 413)
  assert.equal((await client.runs()).length, before)
})

test('a run that is not known is 404, whatever its name looks like', async () => {
  for (const name of ['nobody', '..%2f..', '%00', '*', '>', 'a.b']) {
    assert.equal((await ask('GET', `/api/v1/runs/${name}`)).status, 404, name)
    assert.equal((await ask('GET', `/api/v1/runs/${name}/events`)).status, 404, name)
    assert.equal((await ask('GET', `/api/v1/runs/${name}/live`)).status, 404, name)
    assert.equal((await ask('POST', `/api/v1/runs/${name}/abort`)).status, 404, name)
  }
})
