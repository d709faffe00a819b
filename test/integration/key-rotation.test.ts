import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { z } from 'zod'
import { connectBus } from '#shared/bus-nats.ts'
import { environmentName, type SettingName } from '#shared/config.ts'
import type { Service, StoredFact } from '#shared/events.ts'
import { freePort } from '#shared/process/free-port.ts'
import { newSigningKey } from '#shared/signing-key.ts'
import { ApiClient } from '../../services/cli/api-client.ts'
import { startChild, temporaryFolder, type Child } from '../parts/child.ts'
import { mountSecret } from '../parts/mounted-secret.ts'
import { startNats } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { until } from '../parts/until.ts'
import { startWorker } from '../parts/worker.ts'

const log = pino({ level: 'silent' })
const apiToken = 'the-token-of-the-api'
const fault = { kind: 'pause', target: { process: { match: 'faultline-test-worker' } }, at: '1s', duration: '20s' }
const experiment = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'rotated' }, faults: [fault],
  gates: [{ name: 'works', phase: 'during', promql: { query: 'sum(work_done_total)', min: 0 } }], recovery: { within: '10s', stable: '500ms' },
}
const decisionSchema = z.looseObject({ passed: z.boolean(), reasons: z.array(z.string()) })

/** Scheduler, agent and evaluator as processes whose keys are files of one Secret; each has its settings, and the keys of its own as `NAME: FILE`. */
async function stage() {
  await using made = new AsyncDisposableStack()
  const { path: folder } = made.use(temporaryFolder('key-rotation'))
  const { servers, token } = made.use(await startNats())
  const worker = made.use(await startWorker())
  const prometheus = made.use(await startPrometheus([{ job: 'worker', address: worker.address }]))
  const [commands, nextCommands, verdicts, nextVerdicts] = [newSigningKey(), newSigningKey(), newSigningKey(), newSigningKey()]
  const secret = mountSecret(join(folder, 'keys'), {
    'commands-signing-seed': commands.seed, 'commands-public-key': commands.publicKey, 'verdicts-signing-seed': verdicts.seed, 'verdicts-public-key': verdicts.publicKey,
  })
  const running: { service: Service; child: Child; url: string }[] = []
  const start = async (service: Service, own: Partial<Record<SettingName, string>>, keys: Partial<Record<SettingName, string>>): Promise<string> => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const given = Object.entries({ ...own, 'nats.url': servers, 'nats.token': token, 'http.port': String(port), 'log.level': 'trace' }).map(([name, value]) => [environmentName(name as SettingName), value])
    const files = Object.entries(keys).map(([name, file]) => [`${environmentName(name as SettingName)}_FILE`, secret.path(file)])
    const child = made.use(await startChild({
      name: service, argv: [process.execPath, fileURLToPath(new URL(`../../services/${service}/main.ts`, import.meta.url))], cwd: folder, ready: { kind: 'http', url: `${url}/readyz` },
      env: { FAULTLINE_CONFIG: '/dev/null', ...Object.fromEntries([...given, ...files]) },
    }, folder))
    running.push({ service, child, url })
    return url
  }
  mkdirSync(join(folder, 'journal'))
  const url = await start('scheduler', { 'api.token': apiToken }, { 'commands.signingSeed': 'commands-signing-seed', 'commands.publicKey': 'commands-public-key', 'verdicts.publicKey': 'verdicts-public-key' })
  await start('injector', { 'injector.node': 'n1', 'injector.stateFolder': join(folder, 'journal'), 'injector.parents': `worker=${worker.pid}` }, { 'commands.publicKey': 'commands-public-key' })
  await start('slo-evaluator', { 'prometheus.url': prometheus.url }, { 'verdicts.signingSeed': 'verdicts-signing-seed' })
  const open = async (service: Service, keys: { signingSeed?: string; commandKey?: string }) => {
    const bus = await connectBus({ servers, token, service, log, ...keys })
    owned.defer(() => bus.close())
    return bus
  }
  const owned = made.move()
  return {
    commands, nextCommands, verdicts, nextVerdicts, secret, running, api: new ApiClient({ apiUrl: url, token: apiToken }),
    /** Whether the agent obeys what this seed has signed. */
    async obedience(signingSeed: string): Promise<() => Promise<boolean>> {
      const bus = await open('scheduler', { signingSeed })
      return async () => {
        const reply = await bus.request('plan', 'n1', { run: 'asked', fault: '1-pause', item: fault }, { timeoutMs: 5_000 })
        return reply.outcome === 'done' || reply.why !== 'the signature is not the scheduler\'s'
      }
    },
    /** Counts the run's heartbeats that this key has signed. */
    async heartbeats(run: string, commandKey: string): Promise<() => number> {
      let count = 0
      const bus = await open('injector', { commandKey })
      bus.onSignal('heartbeat', run, () => { count += 1 })
      return () => count
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test('signing keys are rotated in mid-run, by files alone: old and next count while both are named, an old one that was taken out is refused, and the run passes', { timeout: 180_000 }, async t => {
  await using here = await stage()
  const { commands, nextCommands, verdicts, nextVerdicts, secret, api } = here
  const [obeysOld, obeysNext] = [await here.obedience(commands.seed), await here.obedience(nextCommands.seed)]
  using following = new DisposableStack() // ends before the scheduler does, which it would hold up
  const over = following.adopt(new AbortController(), controller => controller.abort())
  const run = await api.submit(experiment, 'rotated.yaml', [{ namespace: '', app: 'worker', version: '1' }])
  const signedByNext = await here.heartbeats(run, nextCommands.publicKey)
  const seen: StoredFact[] = []
  const judged = (async () => { for await (const stored of api.facts(run, AbortSignal.any([over.signal, AbortSignal.timeout(90_000)]))) seen.push(stored) })()
  judged.catch(() => undefined) // awaited below
  const soon = (what: string, holds: () => boolean | Promise<boolean>) => until(what, holds, 15_000, { lookMs: 50 })

  await until('the fault is held', () => seen.some(({ kind }) => kind === 'fault.injected'), 30_000)
  assert.deepEqual([await obeysOld(), await obeysNext()], [true, false])
  secret.set({ 'commands-public-key': `${commands.publicKey}\n${nextCommands.publicKey}\n`, 'verdicts-public-key': `${verdicts.publicKey}\n${nextVerdicts.publicKey}\n` })
  t.diagnostic(`the next key is obeyed ${Math.round(await soon('the next key is obeyed', obeysNext))} ms after it was named`)
  assert.deepEqual([await obeysOld(), await obeysNext(), signedByNext()], [true, true, 0])
  secret.set({ 'commands-signing-seed': `${nextCommands.seed}\n`, 'verdicts-signing-seed': `${nextVerdicts.seed}\n` })
  t.diagnostic(`the next seed signs ${Math.round(await soon('the next seed signs', () => signedByNext() > 0))} ms after it was put there`)
  secret.set({ 'commands-public-key': `${nextCommands.publicKey}\n` })
  t.diagnostic(`the old key is refused ${Math.round(await soon('the old key is refused', async () => !await obeysOld()))} ms after it was taken out`)
  assert.equal(await obeysNext(), true)
  secret.set({ 'commands-public-key': commands.seed }) // a slip
  const agent = here.running.find(({ service }) => service === 'injector')?.child
  await soon('the agent has told of the slip', async () => await obeysNext() && /a file that has changed cannot be used/.test(agent?.log() ?? ''))
  assert.deepEqual([await obeysOld(), await obeysNext(), seen.some(({ kind }) => kind === 'fault.reverted')], [false, true, false])
  secret.set({ 'commands-public-key': `${nextCommands.publicKey}\n` })

  await judged
  assert.deepEqual(seen.flatMap(({ kind }) => kind.startsWith('fault.') ? [kind] : []), ['fault.ordered', 'fault.injected', 'fault.reverted'], 'no lease has run out')
  const [verdict] = seen.flatMap(stored => stored.kind === 'run.judged' ? [stored.fact.data] : [])
  assert.deepEqual([verdict?.verdict, verdict?.record?.key], ['passed', nextVerdicts.publicKey], verdict?.reasons.join('; '))

  const release = async () => decisionSchema.parse(await api.releaseCheck(new URLSearchParams({ app: 'worker', version: '1', within: '1h', require: 'rotated' })))
  await soon('the version may go out', async () => (await release()).passed)
  secret.set({ 'verdicts-public-key': `${verdicts.publicKey}\n` })
  await soon('its verdict counts no more', async () => !(await release()).passed)
  assert.match((await release()).reasons.join(), /the verdict on rotated-\S+ is signed by U\w+, which is not trusted: run it again, or /)

  for (const { service, child, url } of here.running) {
    assert.equal((await fetch(`${url}/readyz`)).status, 200, service)
    for (const { seed } of [commands, nextCommands, verdicts, nextVerdicts]) assert.ok(!child.log().includes(seed), service)
  }
})
