import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, NatsError, type NatsConnection } from 'nats'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { CommandUnanswered, FactAlreadyWritten, NatsUnreachable } from '#shared/errors.ts'
import { factSubject } from '#shared/events.ts'
import { loginOptions } from '#shared/nats-login.ts'
import { judge } from '#shared/verdict.ts'
import { startLocustBridge } from '../../services/locust-bridge/service.ts'
import { takeEpoch } from '../../services/scheduler/epoch.ts'
import { startNatsWithUsers } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { startServices } from '../parts/services.ts'
import { startWorker } from '../parts/worker.ts'

const log = pino({ level: 'silent' })

test('each service with its own user: a run goes from its submission to a passed verdict', async () => {
  const stateFolder = mkdtempSync(join(tmpdir(), 'nats-users-'))
  try {
    await using worker = await startWorker()
    await using nats = await startNatsWithUsers()
    await using prometheus = await startPrometheus([{ job: 'worker', address: worker.address }])
    await using services = await startServices({ login: nats.login, stateFolder, prometheusUrl: prometheus.url, parent: worker.pid })
    const run = await services.submit({
      apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'own-users' },
      faults: [{ kind: 'pause', target: { process: { match: 'faultline-test-worker' } }, at: '500ms', duration: '1s' }],
      gates: [{ name: 'works', phase: 'during', promql: { query: 'sum(work_done_total)', min: 0 } }],
      recovery: { within: '10s', stable: '500ms' },
    })
    const judgement = judge(await services.facts(run))
    assert.equal(judgement.verdict, 'passed', judgement.reasons.join('; '))
  } finally {
    rmSync(stateFolder, { recursive: true, force: true })
  }
})

test('the scheduler makes the stream, and who comes before it waits', async () => {
  await using nats = await startNatsWithUsers()
  await assert.rejects(connectBus({ ...nats.login('injector'), service: 'injector', log }), (error: unknown) => error instanceof NatsUnreachable && /the scheduler makes it/.test(error.message))
  const early = connectBus({ ...nats.login('injector'), service: 'injector', log, waitMs: 10_000 })
  const scheduler = await connectBus({ ...nats.login('scheduler'), service: 'scheduler', log })
  assert.ok((await takeEpoch(nats.login('scheduler'))).revision > 0)
  await Promise.all([(await early).close(), scheduler.close()])
  await assert.rejects(connectBus({ ...nats.login('scheduler'), password: 'wrong', service: 'scheduler', log }), /refuses this login/)
})

test('the bridge reads the runs, writes its load, and answers commands as its own user; the API-side agent is reached, and no agent of a node in its place', async () => {
  await using nats = await startNatsWithUsers()
  const keys = newCommandKeys()
  const open = (user: string, service = user) => connectBus({ ...nats.login(user), service, log, waitMs: 10_000, commandKey: keys.commandKey, ...(user === 'scheduler' && { signingSeed: keys.signingSeed }) })
  const [scheduler, bridgeBus, cluster, node] = await Promise.all([open('scheduler'), open('locust-bridge'), open('cluster-agent', 'injector'), open('injector')])
  const bridge = await startLocustBridge({ bus: bridgeBus, clock: systemClock, log, listen: { host: '127.0.0.1', port: 0 }, token: 't', locustUrl: 'http://127.0.0.1:1', metrics: new Registry() })
  assert.equal((await scheduler.request('load-stop', 'locust-bridge', { run: 'r' }, { timeoutMs: 5_000 })).outcome, 'done')
  await bridgeBus.writer('locust-bridge').write('r', 'load.state', { state: 'stopped', users: 0, targetUsers: 0, atMs: 1 })

  const answer = (bus: typeof node, as: string, name: string) => bus.answer('revert', name, async () => ({ outcome: 'refused', why: `by ${as}` }))
  const asked = (to: string) => scheduler.request('revert', to, { run: 'r', fault: 'f' }, { timeoutMs: 2_000 })
  answer(node, 'the node in place of the API-side agent', 'cluster')
  await assert.rejects(asked('cluster'), CommandUnanswered)
  answer(cluster, 'the API-side agent', 'cluster')
  answer(node, 'the node', 'n1')
  await Promise.all([cluster, node].map(bus => bus.writer('injector').write('r', 'fault.refused', { fault: 'f', kind: 'pause', node: 'n', why: 'w' }))) // the server has their subscriptions by now
  assert.deepEqual([await asked('cluster'), await asked('n1')].map(reply => reply.outcome === 'refused' && reply.why), ['by the API-side agent', 'by the node'])
  await bridge.stop()
  await Promise.all([scheduler, bridgeBus, cluster, node].map(bus => bus.close()))
})

test('the evaluator\'s user may find out that a run has its verdict already', async () => {
  await using nats = await startNatsWithUsers()
  const scheduler = await connectBus({ ...nats.login('scheduler'), service: 'scheduler', log })
  const bus = await connectBus({ ...nats.login('slo-evaluator'), service: 'slo-evaluator', log })
  const verdict = { verdict: 'passed' as const, reasons: ['a'], revertUnconfirmed: false }
  await bus.writer('slo-evaluator').write('r', 'run.judged', verdict, { once: true })
  await assert.rejects(bus.writer('slo-evaluator').write('r', 'run.judged', verdict, { once: true, deadlineMs: 2_000 }), FactAlreadyWritten)
  await Promise.all([scheduler, bus].map(each => each.close()))
})

test('an injector\'s user can neither command, nor write another service\'s fact, nor read facts, nor touch the stream', async () => {
  await using nats = await startNatsWithUsers()
  const scheduler = await connectBus({ ...nats.login('scheduler'), service: 'scheduler', log })
  await scheduler.writer('scheduler').write('r', 'run.sealed', { atMs: 1 })
  const connection = await connect({ ...loginOptions(nats.login('injector')), timeout: 20_000 })
  const denied = [
    'faultline.command.inject.n1', 'faultline.command.load-stop.locust-bridge', 'faultline.signal.abort.r', 'faultline.signal.heartbeat.r', 'faultline.signal.agent.cluster',
    factSubject('r', 'run.judged'), factSubject('r', 'run.sealed'), factSubject('r', 'load.sample'), factSubject('r', 'gate.status'),
    '$JS.API.STREAM.DELETE.FAULTLINE', '$JS.API.STREAM.PURGE.FAULTLINE', '$JS.API.STREAM.UPDATE.FAULTLINE', '$JS.API.STREAM.MSG.DELETE.FAULTLINE',
    '$JS.API.CONSUMER.CREATE.FAULTLINE', '$JS.API.STREAM.MSG.GET.FAULTLINE', '$JS.API.DIRECT.GET.FAULTLINE', '$KV.FAULTLINE_EPOCH.scheduler',
  ]
  for (const subject of denied) await assert.rejects(connection.request(subject, '{}', { timeout: 20_000 }), isForbidden, subject)
  for (const subject of ['faultline.fact.>', '_INBOX.scheduler.>', '>']) await assertCannotHear(connection, subject)
  assert.equal((await (await connection.jetstreamManager()).streams.info('FAULTLINE')).state.messages, 1)
  await connection.close()
  await scheduler.close()
})

test('not even the scheduler\'s user can delete, purge or change the stream, or have its facts delivered as other facts', async () => {
  await using nats = await startNatsWithUsers()
  const bus = await connectBus({ ...nats.login('scheduler'), service: 'scheduler', log })
  await bus.writer('scheduler').write('r', 'run.sealed', { atMs: 1 })
  const connection = await connect({ ...loginOptions(nats.login('scheduler')), timeout: 20_000 })
  const manager = await connection.jetstreamManager()
  for (const attempt of [() => manager.streams.delete('FAULTLINE'), () => manager.streams.purge('FAULTLINE'), () => manager.streams.update('FAULTLINE', { max_msgs: 1 }), () => manager.streams.deleteMessage('FAULTLINE', 1)]) {
    await assert.rejects(attempt(), isForbidden)
  }
  await assert.rejects(manager.consumers.add('FAULTLINE', { deliver_subject: factSubject('r', 'run.judged') }), /cycle/)
  assert.equal((await manager.streams.info('FAULTLINE')).state.messages, 1)
  await connection.close()
  await bus.close()
})

test('the audit is written and read by the scheduler\'s user alone, and not even that may delete or change it', async () => {
  await using nats = await startNatsWithUsers()
  const bus = await connectBus({ ...nats.login('scheduler'), service: 'scheduler', log })
  const entry = { who: 'alice', role: 'operator', address: '127.0.0.1', request: 'POST /api/v1/halt', outcome: 'allowed', atMs: 1 } as const
  await bus.writer('scheduler').write('audit', 'audit.request', entry)
  for (const user of ['injector', 'cluster-agent', 'locust-bridge', 'slo-evaluator', 'prober']) {
    const other = await connect({ ...loginOptions(nats.login(user)), timeout: 20_000 })
    for (const subject of [factSubject('audit', 'audit.request'), factSubject('audit', 'audit.halt'), '$JS.API.STREAM.INFO.FAULTLINE_AUDIT', '$JS.API.CONSUMER.CREATE.FAULTLINE_AUDIT', '$JS.API.CONSUMER.CREATE.FAULTLINE_AUDIT.x.faultline.audit.>']) {
      await assert.rejects(other.request(subject, '{}', { timeout: 20_000 }), isForbidden, `${user}: ${subject}`)
    }
    await assertCannotHear(other, 'faultline.audit.>')
    await other.close()
  }
  const own = await connect({ ...loginOptions(nats.login('scheduler')), timeout: 20_000 })
  const manager = await own.jetstreamManager()
  for (const attempt of [() => manager.streams.delete('FAULTLINE_AUDIT'), () => manager.streams.purge('FAULTLINE_AUDIT'), () => manager.streams.update('FAULTLINE_AUDIT', { max_msgs: 1 }), () => manager.streams.deleteMessage('FAULTLINE_AUDIT', 1)]) {
    await assert.rejects(attempt(), isForbidden)
  }
  await using following = bus.follow({ types: ['audit.request'] })
  for await (const next of following) {
    if (next.is !== 'fact') continue
    assert.deepEqual(next.stored.fact.data, entry)
    break
  }
  assert.throws(() => bus.follow({ types: ['audit.request', 'run.sealed'] }), /as one/)
  await own.close()
  await bus.close()
})

const isForbidden = (error: unknown) => error instanceof NatsError && error.isPermissionError()

async function assertCannotHear(connection: NatsConnection, subject: string): Promise<void> {
  const refused = Promise.withResolvers<unknown>()
  connection.subscribe(subject, { callback: error => refused.resolve(error) })
  const taken = connection.flush().then(() => delay(2_000, 'taken', { ref: false })) // it refuses before it answers the flush
  assert.ok(isForbidden(await Promise.race([refused.promise, taken])), subject)
}
