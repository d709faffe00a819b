/** Every part of faultline as a process of its own, with a real NATS cluster, Prometheus and Locust, on one machine; each can be taken out and put back. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { connectBus, newCommandKeys } from '#shared/bus-nats.ts'
import type { Bus } from '#shared/bus.ts'
import { toolPath } from '#shared/tools.mjs'
import { ApiClient } from '../../services/cli/api-client.ts'
import { untilScraped } from '../../services/cli/parts/prometheus.ts'
import { locustApi } from '../../services/locust-bridge/locust-api.ts'
import { startChild, type Child } from '../parts/child.ts'
import { until } from '../parts/until.ts'
import { startGuestServers } from './guest-servers.ts'
import { startWire, type NatsWire } from './nats-wire.ts'
import { clientNames, natsNames, natsPort, planOf, ports, wirePort, type ClientName, type NatsName, type PlanOptions, type RigFolders } from './plans.ts'
import { openFactStream, type FactStream } from './stream.ts'
import { startSubject, type Subject } from './subject.ts'
import { processNames, type Leaders, type ProcessName } from './table.ts'

/** Small enough to be filled in an instant, large enough for the facts of the runs of one rig. */
const storeBytes = 64 * 1_048_576
const journalBytes = 1_048_576
const readyWithinMs = 40_000
const idleLocust = ['ready', 'stopped']
/** Services drain while NATS is there. */
const endOrder: readonly ProcessName[] = [...clientNames, 'locust-worker', 'locust-master', 'prometheus', ...natsNames]

export interface Rig extends AsyncDisposable {
  subject: Subject
  folders: RigFolders
  stream: FactStream
  /** For following facts while NATS is well. */
  bus: Bus
  pidOf(name: ProcessName): number
  /** How it ended, once it has. */
  endOf(name: ProcessName): Promise<string>
  /** Resolves when it is ready. Does nothing for one that is there. */
  start(name: ProcessName): Promise<void>
  /** Of a service to all servers, or of a server to all services. None of a process that is no part of NATS's world. */
  wiresOf(name: ProcessName): NatsWire[]
  wires: readonly NatsWire[]
  /** The clock of the servers in the guest jumps by so much. Gives how that was seen. Rejects when none is there. */
  jumpClock(byMs: number): Promise<string>
  /** Where this process keeps what must not be lost; undefined for one that keeps nothing. */
  diskOf(name: ProcessName): string | undefined
  /** `wanted`: a server that is to lead the stream of facts first, or not to. */
  leaders(wanted?: { server: ProcessName; leads: boolean }): Promise<Leaders>
  submit(experiment: object): Promise<string>
  /** All processes are there and well, clocks are in step, Locust is idle with its worker, and one scheduler leads. What is missing is started. */
  ready(): Promise<void>
  /** Copies all logs, for whoever looks for the reason of something. */
  keepLogs(folder: string): Promise<void>
}

/** As root, in namespaces of its own (inside.ts). Everything ends, and the folder goes, with the rig. `inGuest`: servers whose clock can jump. */
export async function startRig(root: string, inGuest: readonly ProcessName[], tell: (doing: string) => void = () => undefined): Promise<Rig> {
  await using made = new AsyncDisposableStack()
  const folders: RigFolders = { root, temporary: join(root, 'tmp'), journal: join(root, 'journal'), stores: { 'nats-1': join(root, 'store-1'), 'nats-2': join(root, 'store-2'), 'nats-3': join(root, 'store-3') } }
  mkdirSync(root)
  made.defer(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(folders.temporary)
  for (const [folder, bytes] of [[folders.journal, journalBytes], ...Object.values(folders.stores).map(store => [store, storeBytes])] as [string, number][]) {
    mkdirSync(folder)
    execFileSync(toolPath('mount'), ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', folder])
    made.defer(() => void execFileSync(toolPath('umount'), ['--lazy', folder]))
  }

  const subject = made.use(await startSubject(ports.subject))
  const { signingSeed, commandKey } = newCommandKeys()
  const secrets = { natsToken: randomBytes(16).toString('hex'), apiToken: randomBytes(16).toString('hex'), signingSeed, commandKey }
  const options: PlanOptions = { folders, secrets, parents: subject.parents, subjectUrl: subject.url, inGuest }
  const wires = new Map<string, NatsWire>()
  for (const client of clientNames) for (const server of natsNames) wires.set(`${client} ${server}`, made.use(await startWire({ port: wirePort(client, server), server: natsPort(server) })))

  if (inGuest.length > 0) tell(`a guest for ${inGuest.join(', ')}`)
  mkdirSync(join(root, 'prometheus'))
  const guest = inGuest.length === 0 ? undefined : made.use(await startGuestServers(inGuest, folders))

  const children = new Map<ProcessName, { child: Child; hasEnded?: true }>()
  const start = async (name: ProcessName) => {
    if (guest?.has(name)) return guest.start({ ...planOf(name, options), name })
    const known = children.get(name)
    if (known && !known.hasEnded) return
    const started: { child: Child; hasEnded?: true } = { child: await startChild(planOf(name, options), root) }
    children.set(name, started)
    void started.child.ended.finally(() => { started.hasEnded = true })
  }
  made.defer(async () => {
    for (const name of endOrder) {
      const known = children.get(name)
      if (known && !known.hasEnded) process.kill(known.child.pid, 'SIGCONT')
      await known?.child[Symbol.asyncDispose]()
    }
  })
  const childOf = (name: ProcessName) => children.get(name)?.child ?? assert.fail(`${name} was never started`)

  tell('three NATS servers')
  await Promise.all(natsNames.map(start))
  const login = { servers: natsNames.map(name => `127.0.0.1:${natsPort(name)}`).join(','), token: secrets.natsToken }
  const log = pino({ level: 'silent' })
  const bus = await connectBus({ ...login, service: 'crash-matrix', log, commandKey, replicas: 3, waitMs: readyWithinMs })
  made.defer(() => bus.close())
  const stream = made.use(await openFactStream(login))
  tell('services, Prometheus and Locust')
  await start('locust-master')
  const starting = (['locust-worker', 'prometheus', ...clientNames] as const).map(start)
  await Promise.allSettled(starting) // of one that fails the others are to be ended
  await Promise.all(starting)
  await untilScraped(`http://127.0.0.1:${ports.prometheus}`, 1)

  const locust = locustApi(`http://127.0.0.1:${ports.locustWeb}`)
  const schedulers = ['scheduler-1', 'scheduler-2'] as const
  const urlOf = (name: ClientName) => `http://127.0.0.1:${ports[name]}`
  const leads = async (name: typeof schedulers[number]) => {
    const answer = await fetch(`${urlOf(name)}/metrics`, { headers: { authorization: `Bearer ${secrets.apiToken}` }, signal: AbortSignal.timeout(2_000) }).then(response => response.text(), () => '')
    return /^faultline_scheduler_leader\S* 1$/m.test(answer)
  }
  const leader = async () => {
    let found: ProcessName | undefined
    await until('one scheduler leads', async () => {
      const leading = (await Promise.all(schedulers.map(async name => await leads(name) ? [name] : []))).flat()
      found = leading.length === 1 ? leading[0] : undefined
      return found !== undefined
    }, readyWithinMs, { lookMs: 100 })
    return found ?? assert.fail('nobody leads')
  }
  const locustIsIdle = () => locust.stats().then(({ state }) => idleLocust.includes(state), () => false)
  const workerIsThere = () => locust.stats().then(({ workers = [] }) => workers.filter(({ state }) => state === 'ready').length === 1, () => false)

  await until('Locust has its worker', workerIsThere, readyWithinMs, { lookMs: 100 })
  const owned = made.move()
  return {
    subject, folders, stream, bus, start,
    wires: [...wires.values()],
    pidOf: name => childOf(name).pid,
    endOf: name => childOf(name).ended,
    wiresOf: name => [...wires].flatMap(([ends, wire]) => ends.split(' ').includes(name) ? [wire] : []),
    jumpClock: byMs => (guest ?? assert.fail('no server is in a guest')).jump(byMs),
    diskOf: name => name === 'injector' ? folders.journal : folders.stores[name as NatsName],
    async leaders(wanted) {
      if (wanted) await until(`${wanted.server} ${wanted.leads ? 'leads' : 'does not lead'} the stream`, async () => {
        if ((await stream.leader() === wanted.server) === wanted.leads) return true
        await stream.stepDown(wanted.leads ? wanted.server : undefined)
        return false
      }, readyWithinMs, { lookMs: 500 })
      const [scheduler, server] = await Promise.all([leader(), stream.leader()])
      const openEnds = (name: NatsName) => clientNames.reduce((sum, client) => sum + (wires.get(`${client} ${name}`)?.openEnds() ?? 0), 0)
      const [follower] = natsNames.filter(name => name !== server).toSorted((a, b) => openEnds(b) - openEnds(a))
      return { scheduler, nats: natsNames.find(name => name === server) ?? assert.fail(`${server} leads the stream`), follower: follower ?? assert.fail('there are three') }
    },
    submit: async experiment => new ApiClient({ apiUrl: urlOf('scheduler-1'), token: secrets.apiToken }).submit(experiment, 'crash-matrix'), // on standby it passes it on
    async ready() {
      await guest?.putRight()
      for (const name of processNames) await start(name)
      for (const name of clientNames) await until(`${name} is ready`, () => fetch(`${urlOf(name)}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(({ ok }) => ok, () => false), readyWithinMs, { lookMs: 100 })
      if (await workerIsThere() && await locustIsIdle()) return
      for (const name of ['locust-worker', 'locust-master'] as const) { // a worker finds a master that is new only by chance
        process.kill(childOf(name).pid, 'SIGKILL')
        await childOf(name).ended
      }
      for (const name of ['locust-master', 'locust-worker'] as const) await start(name)
      await until('Locust has its worker', workerIsThere, readyWithinMs, { lookMs: 100 })
    },
    async keepLogs(folder) {
      mkdirSync(folder, { recursive: true })
      for (const name of processNames) {
        if (guest?.has(name)) writeFileSync(join(folder, `${name}.log`), await guest.log(name))
        else copyFileSync(join(root, `${name}.log`), join(folder, `${name}.log`))
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
