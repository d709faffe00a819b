import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import type { StoredFact } from '#shared/events.ts'
import { haltFiles, removeHaltFile, writeHaltFile } from '#shared/halt-file.ts'
import { startProber } from '../../services/prober/service.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startNats } from '../parts/nats.ts'
import { startRedis, type Redis } from '../parts/redis.ts'
import { until } from '../parts/until.ts'

const log = pino({ level: 'silent' })
const experiment = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'probed' },
  faults: [{ kind: 'pause', target: { process: { match: 'worker' } }, at: '60s', duration: '1s' }],
  probes: [{ name: 'keys', redis: { endpoint: 'store', replicas: 0 } }],
  gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
}

/** A prober on a real Redis, with a scheduler's end of a real bus. */
async function stage() {
  await using made = new AsyncDisposableStack()
  const nats = made.use(await startNats())
  const redis = made.use(await startRedis())
  const folder = made.use(temporaryFolder('prober-halt'))
  const [endpoints, file] = [made.use(temporaryFolder('endpoints')), join(folder.path, 'halt')]
  writeFileSync(join(endpoints.path, 'store'), redis.url)
  const { signingSeed, commandKey } = newCommandKeys()
  const scheduler = await connectBus({ ...nats, service: 'scheduler', log, signingSeed, commandKey })
  made.defer(() => scheduler.close())
  const bus = await connectBus({ ...nats, service: 'prober', log, commandKey })
  made.defer(() => bus.close())
  const prober = await startProber({ bus, clock: systemClock, log, metrics: new Registry(), node: 'n1', endpointsFolder: endpoints.path, findHalt: haltFiles([file]) })
  made.defer(() => prober.stop())
  const writer = scheduler.writer('scheduler')
  const owned = made.move()
  return {
    nats, redis, file, writer,
    async steady(run: string): Promise<void> {
      await writer.write(run, 'run.submitted', { experiment, experimentHash: '', epoch: { bucketCreatedMs: 1, revision: 1 } })
      await writer.write(run, 'run.phase', { phase: 'steady', atMs: Date.now() })
    },
    verify: (run: string) => writer.write(run, 'run.phase', { phase: 'verify', atMs: Date.now() }),
    /** The run's facts up to the first of this kind. */
    async factsUntil(run: string, kind: StoredFact['kind']): Promise<StoredFact[]> {
      await using following = scheduler.follow({ run })
      const late = setTimeout(() => void following.stop(), 20_000)
      const found: StoredFact[] = []
      try {
        for await (const next of following) {
          if (next.is !== 'fact') continue
          found.push(next.stored)
          if (next.stored.kind === kind) return found
        }
      } finally {
        clearTimeout(late)
      }
      throw new Error(`no ${kind} came, but ${found.map(stored => stored.kind).join(', ')}`)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const keysIn = async (redis: Redis): Promise<number> => Number(await redis.ask('DBSIZE'))
const probing = (redis: Redis) => until('it writes', async () => await keysIn(redis) > 5, 20_000)
/** How many it writes within a second; without a halt some ten. */
async function writtenInASecond(redis: Redis): Promise<number> {
  const before = await keysIn(redis)
  await delay(1_000) // that nothing comes sends no event
  return await keysIn(redis) - before
}
const refusals = (facts: readonly StoredFact[]): string[] => facts.flatMap(stored => stored.kind === 'probe.refused' ? [stored.fact.data.why] : [])

test('with NATS killed, a halt file ends the attempts of a probe within half a second; what it had written is taken away when the run ends', async () => {
  await using here = await stage()
  await here.steady('r')
  await probing(here.redis)
  await here.nats.kill()
  const haltedAtMs = Date.now()
  writeHaltFile(here.file, 'release today')
  await until('nothing more is written', async () => await writtenInASecond(here.redis) === 0, 10_000)
  await here.nats.restart()
  assert.match(refusals(await here.factsUntil('r', 'probe.refused'))[0] ?? '', /^halted by the file \S+ since \S+: release today$/)
  await here.verify('r')
  const told = await here.factsUntil('r', 'probe.closed')
  const ledger = told.find(({ kind }) => kind === 'probe.ledger')
  assert.ok(ledger?.kind === 'probe.ledger' && ledger.fact.data.missing === 0 && ledger.fact.data.acknowledged > 5, JSON.stringify(ledger))
  assert.equal(refusals(told).length, 1, 'it is told once')
  const later = told.flatMap(stored => stored.kind === 'probe.samples' ? stored.fact.data.slots : []).filter(([atMs]) => atMs > haltedAtMs)
  assert.ok(later.length <= 5, `${later.length} attempts after the halt, one each 100 ms`)
  assert.equal(await keysIn(here.redis), 0)
})

test('while a halt file is there no run is probed, and the one that was halted not afterwards either; the next one is', async () => {
  await using here = await stage()
  writeHaltFile(here.file, 'release today')
  await here.steady('refused')
  assert.match(refusals(await here.factsUntil('refused', 'probe.refused'))[0] ?? '', /release today$/)
  removeHaltFile(here.file)
  assert.equal(await writtenInASecond(here.redis), 0)
  await here.steady('taken')
  await probing(here.redis)
  await here.verify('taken')
  const kinds = (await here.factsUntil('taken', 'probe.closed')).map(({ kind }) => kind)
  assert.equal(kinds.includes('probe.refused'), false)
  assert.equal(await keysIn(here.redis), 0)
})

test('a halt that came over the API ends the attempts as soon as its fact is there, and not only with the run', async () => {
  await using here = await stage()
  await here.steady('r')
  await probing(here.redis)
  await here.writer.write('halt', 'halt.set', { by: 'alice', why: 'release today', atMs: Date.now() })
  assert.match(refusals(await here.factsUntil('r', 'probe.refused'))[0] ?? '', /^halted by alice since \S+: release today$/)
  assert.equal(await writtenInASecond(here.redis), 0)
  await here.writer.write('halt', 'halt.released', { by: 'alice', atMs: Date.now() })
  await here.steady('next')
  await here.factsUntil('next', 'probe.opened')
})
