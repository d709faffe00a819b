import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { systemClock } from '#shared/clock.ts'
import { readExperimentFile } from '#shared/experiment-file.ts'
import type { ProbePlan, ProbeSpec } from '#shared/probe.ts'
import { startSession } from '../../services/cli/local/session.ts'
import { startShop } from '../../services/cli/local/shop.ts'
import { replay } from '../../services/cli/replay.ts'
import { runExperiment } from '../../services/cli/run.ts'
import { endpointOf, parseEndpoint } from '../../services/prober/endpoints.ts'
import { startProbing } from '../../services/prober/probing.ts'
import { startPostgres } from '../parts/postgres.ts'
import { startRedis } from '../parts/redis.ts'
import { startReplicatedRedis } from '../parts/replicated-redis.ts'
import { until } from '../parts/until.ts'

type Slots = [number, number, 'ok' | 'failed' | 'unconfirmed'][]

/** What an attempt has: more than a busy machine takes for one that nothing hinders. */
const patienceMs = 1_500
const seenWithinMs = 30_000

/** A probe of a real store, its slots collected as they end. */
function probe(address: string, plan: ProbePlan, { timeoutMs = patienceMs } = {}) {
  const spec: ProbeSpec = { name: 'p', kind: plan.by, endpoint: 'e', intervalMs: 100, timeoutMs, description: '', plan, keepsLedger: true }
  const url = endpointOf(spec, new Map([['e', parseEndpoint('e', address)]]))
  assert.ok(url instanceof URL)
  const states: string[] = []
  const probing = startProbing({ spec, url, clock: systemClock, onChange: ({ state }) => states.push(state) })
  const slots: Slots = []
  const collect = () => slots.push(...probing.log.take()?.slots ?? [])
  return {
    probing, states,
    slots(): Slots {
      collect()
      return slots
    },
    async ended() {
      await probing.stop()
      collect()
      return await probing.verify(AbortSignal.timeout(20_000))
    },
  }
}
const failures = (slots: Slots) => slots.filter(([, , outcome]) => outcome !== 'ok')
/** From the first failed slot to the first good one after the last that failed. */
function outageMs(slots: Slots): number {
  const failed = failures(slots).map(([atMs]) => atMs)
  const backMs = slots.find(([atMs, , outcome]) => outcome === 'ok' && atMs > Math.max(...failed))?.[0]
  assert.ok(backMs !== undefined, 'it came back')
  return backMs - Math.min(...failed)
}

test('a paused PostgreSQL is an outage of as long as the pause, and no acknowledged write is lost', async () => {
  await using postgres = await startPostgres()
  const { probing, states, slots, ended } = probe(postgres.url, { by: 'postgres', ledger: true })
  await until('it is seen well', () => states.at(-1) === 'up', seenWithinMs)
  const before = states.length
  const resume = postgres.pause()
  const pausedMs = performance.now()
  await delay(3_000)
  resume()
  const lastedMs = performance.now() - pausedMs
  await until('it is seen well again', () => states.length === before + 2, seenWithinMs)
  const ledger = await ended()
  const outage = outageMs(slots())
  // Attempts wait 1.5 s at most: one made in the pause's last 1.5 s is let through. The rest of the pause fails, told on a grid of 100 ms from either end.
  assert.ok(outage > lastedMs - patienceMs - 200 && outage < lastedMs + 600, `${outage} ms, for a pause of ${Math.round(lastedMs)} ms`)
  assert.deepEqual([ledger.missing, ledger.unread, states.slice(before - 1)], [0, 0, ['up', 'down', 'up']])
  assert.ok(ledger.acknowledged >= 20 && ledger.attempted === slots().length, JSON.stringify(ledger))
  await probing.clear(AbortSignal.timeout(20_000))
  assert.equal(await rowsOf(postgres.url), 0, 'nothing stays behind')
})

test('a row that was acknowledged and is gone is a lost write, and the oldest and the newest are dated', async () => {
  await using postgres = await startPostgres()
  const { probing, slots, ended } = probe(postgres.url, { by: 'postgres', ledger: true })
  await until('some rows are there', () => slots().length >= 10, seenWithinMs)
  await probing.stop()
  await query(postgres.url, 'DELETE FROM faultline_ledger WHERE id IN ((SELECT id FROM faultline_ledger ORDER BY written_at LIMIT 1) UNION (SELECT id FROM faultline_ledger ORDER BY written_at LIMIT 1 OFFSET 5))')
  const ledger = await ended()
  assert.equal(ledger.missing, 2)
  assert.equal(ledger.missingIds.length, 2)
  assert.ok(ledger.oldestMissingAtMs !== undefined && ledger.newestMissingAtMs !== undefined && ledger.newestMissingAtMs - ledger.oldestMissingAtMs >= 80)
  await probing.clear(AbortSignal.timeout(20_000))
})

test('a user with no right to make tables probes with the table that is there', async () => {
  await using postgres = await startPostgres()
  await query(postgres.url, `CREATE TABLE faultline_ledger (id uuid PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT now());
    CREATE ROLE prober LOGIN PASSWORD 'a-password'; GRANT SELECT, INSERT, DELETE ON faultline_ledger TO prober; REVOKE CREATE ON SCHEMA public FROM PUBLIC`)
  const address = new URL(postgres.url)
  address.username = 'prober'
  address.password = 'a-password'
  const { probing, slots, ended } = probe(address.href, { by: 'postgres', ledger: true })
  await until('some rows are there', () => slots().length >= 4, seenWithinMs)
  const ledger = await ended()
  assert.ok(ledger.acknowledged >= 4 && ledger.missing === 0, JSON.stringify(ledger))
  await probing.clear(AbortSignal.timeout(20_000))
  assert.equal(await rowsOf(postgres.url), 0)
})

test('a Redis without replicas takes writes, but none of them is acknowledged', async () => {
  await using redis = await startRedis()
  const strict = probe(redis.url, { by: 'redis', ledger: true, replicas: 1 })
  const lenient = probe(redis.url, { by: 'redis', ledger: true, replicas: 0 })
  await until('both have tried', () => strict.slots().length > 0 && lenient.slots().length > 10, seenWithinMs)
  const [unconfirmed, taken] = [await strict.ended(), await lenient.ended()]
  assert.deepEqual([unconfirmed.acknowledged, unconfirmed.unconfirmed, unconfirmed.unconfirmedMissing, unconfirmed.missing], [0, unconfirmed.attempted, 0, 0])
  assert.ok(strict.slots().every(([, , outcome]) => outcome === 'unconfirmed'))
  assert.ok(taken.acknowledged > 10 && taken.acknowledged === taken.attempted && taken.missing === 0, JSON.stringify(taken))
  for (const { probing } of [strict, lenient]) await probing.clear(AbortSignal.timeout(20_000))
  assert.equal(await redis.ask('DBSIZE'), '0')
})

test('a failover of Redis is followed by the Sentinels, and no write that a replica had is lost', async () => {
  await using redis = await startReplicatedRedis()
  const [first, ...others] = redis.sentinels.split(',')
  const address = `redis+sentinel://:${redis.password}@${first}/${redis.masterName}?${others.map(other => `sentinel=${other}`).join('&')}`
  const { probing, states, slots, ended } = probe(address, { by: 'redis', ledger: true, replicas: 1 }, { timeoutMs: 500 })
  await until('it is seen well', () => states.at(-1) === 'up', seenWithinMs)
  const failedBefore = failures(slots()).length // the first attempts of a busy machine
  await redis.kill(await redis.master())
  const killedMs = Date.now()
  while (!slots().some(([atMs, , outcome]) => atMs > killedMs + 1_000 && outcome === 'ok')) {
    assert.ok(Date.now() < killedMs + 40_000, 'no write was acknowledged again within 40 s')
    await delay(100)
  }
  const ledger = await ended()
  assert.ok(failures(slots()).length - failedBefore > 5, 'the failover takes more than two seconds')
  assert.deepEqual([ledger.missing, ledger.unread], [0, 0])
  await probing.clear(AbortSignal.timeout(20_000))
})

test('what is at no endpoint, or at one of another kind, is told without its address', () => {
  const spec = { endpoint: 'shop-database', plan: { by: 'postgres', ledger: true } } as const
  const known = new Map([['shop', parseEndpoint('shop', 'http://u:secret@127.0.0.1')]])
  assert.deepEqual(endpointOf(spec, known), { why: 'no endpoint is called shop-database; the prober knows shop' })
  assert.deepEqual(endpointOf(spec, new Map()), { why: 'no endpoint is called shop-database; the prober knows none' })
  const wrong = endpointOf({ ...spec, endpoint: 'shop' }, known)
  assert.ok('why' in wrong && wrong.why.includes('not one for postgres') && !wrong.why.includes('secret'))
  for (const text of ['', 'secret', 'ftp://secret']) assert.throws(() => parseEndpoint('shop', text), (error: Error) => !error.message.includes('secret') && error.message.includes('shop'))
})

test('a run with probes of the shop, its database and its Redis passes on what they saw, and is replayed to the same bytes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'prober-'))
  try {
    let endpoints: Readonly<Record<string, string>> = {}
    await using session = await startSession({
      services: 'embedded',
      async subject(children, own) {
        const shop = await startShop(children, own, () => undefined)
        endpoints = shop.endpoints
        return shop
      },
    })
    const file = fileURLToPath(new URL('../../k8s/experiments/local/database-stall.yaml', import.meta.url))
    const { experiments: [written] } = await readExperimentFile(file)
    assert.ok(written)
    const run = (document: unknown) => runExperiment({ address: session, lost: session.lost, abortSignal: new AbortController().signal, progress: 'none', file, resultsFolder: folder, document })
    const { judgement, folder: results } = await run(written.document)
    assert.equal(judgement.verdict, 'passed', judgement.reasons.join('\n'))
    const orders = judgement.probes.find(({ name }) => name === 'orders')
    assert.ok(orders?.rtoMs !== null && orders !== undefined && orders.rtoMs > 3_000 && orders.rtoMs < 9_000, `${orders?.rtoMs} ms, for a pause of 5,000 ms`)
    assert.ok(orders.ledger !== null && orders.ledger.acknowledged > 20 && orders.ledger.missing === 0, JSON.stringify(orders.ledger))
    assert.deepEqual(judgement.probes.map(({ name }) => name), ['orders', 'rows', 'keys', 'home'])
    assert.ok((await replay(results)).identical, 'its own log does not give the same verdict')

    const { origin, password } = new URL(endpoints['shop'] ?? '')
    const order = (given?: string, method = 'PUT') => fetch(`${origin}/api/orders/9f3c1e52-0000-4000-8000-000000000001`, {
      method, headers: given === undefined ? {} : { authorization: `Basic ${Buffer.from(`any:${given}`).toString('base64')}` },
    })
    assert.deepEqual([(await order()).status, (await order('wrong')).status, (await order(undefined, 'GET')).status], [401, 401, 404], 'nobody places an order without the password')
    assert.deepEqual([(await order(password)).status, (await order(password)).status, (await order(undefined, 'GET')).status], [201, 200, 200], 'once, however often it is asked for')

    const unknown = await run({ ...written.document as object, probes: [{ name: 'orders', http: { endpoint: 'elsewhere', path: '/' } }], gates: [{ name: 'back', recoveryTime: { probe: 'orders', max: '10s' } }] })
    assert.equal(unknown.judgement.verdict, 'inconclusive')
    assert.match(unknown.judgement.reasons.join(), /no endpoint is called elsewhere; the prober knows shop, shop-database, shop-redis/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

async function query(url: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(text)
  } finally {
    await client.end()
  }
}
const rowsOf = async (url: string) => Number((await query(url, 'SELECT count(*) FROM faultline_ledger')).rows[0].count)
