import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type NatsConnection } from 'nats'
import { pino } from 'pino'
import type { Bus } from '#shared/bus.ts'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { epochStream } from '../../services/scheduler/epoch.ts'
import { joinLeadership } from '../../services/scheduler/leadership.ts'
import { startNatsCluster, type ClusterServer, type NatsCluster } from '../parts/nats-cluster.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { until } from '../parts/until.ts'

/** One of three NATS servers is stopped: it keeps its connections open, and says nothing. */
const leaseMs = 3_000
const heartbeatMs = 1_000
/** What is left of a lease that was renewed just before the last heartbeat that was heard. */
const mostSilenceMs = leaseMs - heartbeatMs
const startsWithinMs = 40_000
const leaseClient = 'faultline-scheduler-lease'

const owned = new AsyncDisposableStack()
const told: string[] = []
const log = pino({ level: 'warn' }, { write: line => void told.push(line) })
const disconnections = () => told.filter(line => line.includes('nats disconnect')).length
let cluster: NatsCluster
let scheduler: Bus
let agent: Bus
let raw: NatsConnection

before(async () => {
  cluster = owned.use(await startNatsCluster())
  const keys = newCommandKeys()
  const open = async (service: 'scheduler' | 'injector') => {
    const bus = await connectBus({ ...cluster.login, service, log, replicas: 3, waitMs: startsWithinMs, ...keys })
    owned.defer(() => bus.close())
    return bus
  }
  scheduler = await open('scheduler')
  agent = await open('injector')
  const { servers, token } = cluster.login
  raw = await connect({ servers: servers.split(','), token: token ?? '' })
  owned.defer(() => raw.close())
})
after(() => owned.disposeAsync())

/** Stopped while this goes on. */
async function whileStopped<T>(server: ClusterServer, act: () => Promise<T>): Promise<T> {
  server.pause()
  try {
    return await act()
  } finally {
    server.resume()
  }
}

for (const client of ['faultline-injector', 'faultline-scheduler']) {
  test(`${client} is on a server that is stopped: it goes on with another in time for the agent's lease, and whoever is on others notices nothing`, () => onSteadyMachine(async () => {
    const heardMs: number[] = []
    const hearing = agent.onSignal('heartbeat', 'r', () => void heardMs.push(performance.now()))
    const speaking = setInterval(() => scheduler.signal('heartbeat', 'r', { run: 'r', epoch: { bucketCreatedMs: 1, revision: 1 }, leaseMs, sentAtMs: Date.now() }), 20)
    try {
      await until('it is heard', () => heardMs.length > 10, 20_000)
      const server = await cluster.serverOf(client)
      const affected = (await server.clients()).filter(name => name === 'faultline-injector' || name === 'faultline-scheduler').length
      const before = disconnections()
      const stoppedMs = performance.now()
      await whileStopped(server, () => until('it is heard again', () => (heardMs.at(-1) ?? 0) > stoppedMs + 200, 20_000))
      const silentMs = Math.max(...heardMs.map((atMs, index) => atMs - (heardMs[index - 1] ?? atMs)))
      console.log(`${client}: silent for ${Math.round(silentMs)} ms`)
      assert.ok(silentMs > 200 && silentMs < mostSilenceMs, `${Math.round(silentMs)} ms`)
      assert.equal(disconnections() - before, affected)
    } finally {
      clearInterval(speaking)
      hearing.stop()
    }
  }))
}
test('a server that is slow, or stops for half a second, is given up by nobody', () => onSteadyMachine(async () => {
  const before = disconnections()
  const server = await cluster.serverOf('faultline-injector')
  await whileStopped(server, () => delay(500))
  for (let stops = 0; stops < 10; stops++) {
    await whileStopped(server, () => delay(150))
    await delay(50)
  }
  assert.equal(disconnections(), before)
}))

test('both schedulers ask for the lease at a server that is stopped, and that does not lead its bucket: one of them leads again in time for the agents\' leases', () => onSteadyMachine(async () => {
  const join = async (holder: string) => {
    const leadership = await joinLeadership({ nats: cluster.login, replicas: 3, holder, address: () => undefined, clock: systemClock, log })
    await leadership.campaign()
    return leadership
  }
  const both = [await join('one')]
  await using joined = new AsyncDisposableStack()
  joined.defer(async () => void await Promise.all(both.map(leadership => leadership.stop())))
  const server = await cluster.serverOf(leaseClient)
  for (;;) { // the client chooses its server by chance
    both[1] = await join('other')
    if ((await server.clients()).filter(name => name === leaseClient).length === 2) break
    await both[1].stop()
  }
  const manager = await raw.jetstreamManager()
  await until('another server leads the bucket', async () => {
    if ((await manager.streams.info(epochStream)).cluster?.leader !== server.name) return true
    await raw.request(`$JS.API.STREAM.LEADER.STEPDOWN.${epochStream}`)
    return false
  }, startsWithinMs, { lookMs: 500 })
  const leading = () => both.flatMap(leadership => leadership.epoch() ?? [])
  await until('one leads', () => leading().length === 1, startsWithinMs)
  assert.ok((leading()[0]?.revision ?? 0) > Date.UTC(2026, 0), 'three servers, too, let revisions begin with the time of day')

  const silentMs = await whileStopped(server, async () => {
    const untilMs = performance.now() + leaseMs + 1_300
    let lastMs = performance.now()
    let longestMs = 0
    for (let nowMs = lastMs; nowMs < untilMs; nowMs = performance.now()) {
      const { length } = leading()
      assert.ok(length < 2, 'two lead')
      longestMs = Math.max(longestMs, nowMs - lastMs)
      if (length === 1) lastMs = nowMs
      await delay(10)
    }
    return longestMs
  })
  console.log(`nobody led for ${Math.round(silentMs)} ms`)
  assert.ok(silentMs < mostSilenceMs, `${Math.round(silentMs)} ms`)
}))
