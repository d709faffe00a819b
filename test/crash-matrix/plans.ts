/** Every process of the rig as data: what is started, and when it is there. Ports are fixed, as the namespace of the network is the matrix's own. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { environmentName, type SettingName } from '#shared/config.ts'
import type { Service } from '#shared/events.ts'
import type { ChildPlan } from '#shared/process/child-plan.ts'
import { toolPath } from '#shared/tools.mjs'
import { prometheusPlan } from '../../services/cli/parts/prometheus.ts'
import { hostInGuest } from '../guest/guest.ts'
import { listenersFolder } from '../parts/locust.ts'
import type { ProcessName } from './table.ts'

export const natsNames = ['nats-1', 'nats-2', 'nats-3'] as const satisfies ProcessName[]
export const clientNames = ['scheduler-1', 'scheduler-2', 'injector', 'locust-bridge', 'slo-evaluator'] as const satisfies ProcessName[]
export type NatsName = typeof natsNames[number]
export type ClientName = typeof clientNames[number]

export const ports = {
  subject: 8_000, prometheus: 9_090, locustWeb: 8_089,
  'scheduler-1': 9_001, 'scheduler-2': 9_002, 'injector': 9_003, 'locust-bridge': 9_004, 'slo-evaluator': 9_005,
} as const
/** Where each server says what time it has. */
export const monitorPort = (name: NatsName): number => 8_222 + natsNames.indexOf(name)
export const monitorUrl = (name: NatsName): string => `http://127.0.0.1:${monitorPort(name)}`
export const natsPort = (name: NatsName): number => 4_222 + natsNames.indexOf(name)
export const routePort = (name: NatsName) => 6_222 + natsNames.indexOf(name)
/** Of the wire from a service to a server (nats-wire.ts). */
export const wirePort = (client: ClientName, server: NatsName): number => 14_000 + 10 * clientNames.indexOf(client) + natsNames.indexOf(server)

export interface RigSecrets { natsToken: string; apiToken: string; signingSeed: string; commandKey: string }

/** Where each process keeps what; `disk` of the servers and of the agent is a small disk of its own. */
export interface RigFolders { root: string; temporary: string; journal: string; stores: Record<NatsName, string> }

/** `inGuest`: servers that are in a guest of their own (guest-servers.ts), whose ports are forwarded. */
export interface PlanOptions { folders: RigFolders; secrets: RigSecrets; parents: string; subjectUrl: string; inGuest: readonly ProcessName[] }

/** At which address a process listens, and at which it finds the matrix's own host. */
const placeOf = (name: ProcessName, { inGuest }: PlanOptions) => inGuest.includes(name) ? { listen: '0.0.0.0', host: hostInGuest } : { listen: '127.0.0.1', host: '127.0.0.1' }

export function planOf(name: ProcessName, options: PlanOptions): ChildPlan {
  const { listen, host } = placeOf(name, options)
  switch (name) {
    case 'nats-1': case 'nats-2': case 'nats-3': return natsPlan(name, options)
    case 'prometheus': return prometheusPlan({ folder: options.folders.root, port: ports.prometheus, listen, targets: [{ job: 'subject', address: `${host}:${ports.subject}` }] })
    case 'locust-master': return locustPlan(name, options, ['--master', '--master-bind-host', '127.0.0.1', '--web-host', '127.0.0.1', '--web-port', String(ports.locustWeb)], { kind: 'http', url: `http://127.0.0.1:${ports.locustWeb}/` })
    case 'locust-worker': return locustPlan(name, options, ['--worker', '--master-host', '127.0.0.1'], { kind: 'log', pattern: 'posting samples' })
    default: return servicePlan(name, options)
  }
}

/** Three servers, each with the facts on a disk of its own; clients are told of no other server than those they were given, which are wires. */
function natsPlan(name: NatsName, options: PlanOptions): ChildPlan {
  const { folders: { root, stores }, secrets: { natsToken }, inGuest } = options
  const { listen, host } = placeOf(name, options)
  const routes = natsNames.filter(other => other !== name).map(other => `nats://${inGuest.includes(other) ? '127.0.0.1' : host}:${routePort(other)}`)
  const config = join(root, `${name}.conf`)
  writeFileSync(config, `
server_name: ${name}
listen: "${listen}:${natsPort(name)}"
http: "${listen}:${monitorPort(name)}"
authorization { token: ${JSON.stringify(natsToken)} }
max_payload: 8MB
jetstream { store_dir: ${JSON.stringify(stores[name])}, sync_interval: always, max_file_store: 1GB, max_memory_store: 64MB }
cluster {
  name: matrix
  listen: "${listen}:${routePort(name)}"
  no_advertise: true
  routes: [${routes.map(route => JSON.stringify(route)).join(', ')}]
}
`, { mode: 0o600 })
  return { name, argv: [toolPath('nats-server'), '-c', config], env: {}, cwd: root, ready: inGuest.includes(name) ? { kind: 'http', url: `${monitorUrl(name)}/varz` } : { kind: 'tcp', port: natsPort(name) } } // a forwarded port is open before anybody listens
}

function servicePlan(name: ClientName, { folders: { root, temporary, journal }, secrets, parents }: PlanOptions): ChildPlan {
  const service: Service = name === 'scheduler-1' || name === 'scheduler-2' ? 'scheduler' : name
  const own: Record<ClientName, Partial<Record<SettingName, string>>> = {
    'scheduler-1': { 'api.token': secrets.apiToken, 'commands.signingSeed': secrets.signingSeed },
    'scheduler-2': { 'api.token': secrets.apiToken, 'commands.signingSeed': secrets.signingSeed },
    'injector': { 'injector.stateFolder': journal, 'injector.parents': parents },
    'locust-bridge': { 'api.token': secrets.apiToken, 'locust.url': `http://127.0.0.1:${ports.locustWeb}` },
    'slo-evaluator': { 'prometheus.url': `http://127.0.0.1:${ports.prometheus}` },
  }
  const settings: Partial<Record<SettingName, string>> = {
    'nats.url': natsNames.map(server => `127.0.0.1:${wirePort(name, server)}`).join(','), 'nats.token': secrets.natsToken, 'nats.replicas': '3', 'nats.waitSeconds': '30',
    'commands.publicKey': secrets.commandKey, 'http.port': String(ports[name]), 'halt.files': join(root, 'halt'), ...own[name],
  }
  return {
    name, argv: [process.execPath, fileURLToPath(new URL(`../../services/${service}/main.ts`, import.meta.url))],
    env: { ...Object.fromEntries(Object.entries(settings).map(([setting, value]) => [environmentName(setting as SettingName), value])), FAULTLINE_CONFIG: '/dev/null', TMPDIR: temporary },
    cwd: root, ready: { kind: 'http', url: `http://127.0.0.1:${ports[name]}/readyz` },
  }
}

/** Four users of ten requests a second each. */
const locustfile = `
from locust import FastHttpUser, constant, task
import faultline_listeners

class Visitor(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def visit(self):
        self.client.get("/")
`

export const locustfileOf = ({ root }: RigFolders): string => join(root, 'visitor.py')

function locustPlan(name: 'locust-master' | 'locust-worker', { folders, secrets, subjectUrl }: PlanOptions, args: readonly string[], ready: ChildPlan['ready']): ChildPlan {
  const file = locustfileOf(folders)
  writeFileSync(file, locustfile)
  return {
    name, argv: [toolPath('locust'), '-f', file, '--host', subjectUrl, ...args], cwd: folders.root, ready,
    env: { FAULTLINE_BRIDGE_URL: `http://127.0.0.1:${ports['locust-bridge']}`, FAULTLINE_BRIDGE_TOKEN: secrets.apiToken, PYTHONPATH: listenersFolder, PYTHONDONTWRITEBYTECODE: '1', TMPDIR: folders.temporary },
  }
}

export const leaseMs = 3_000

/** One pause and one cut-off network at the same time, under load, with a gate on the load and one on Prometheus. */
export function experimentOf({ name, durationMs, subjectUrl, targets, folders }: { name: string; durationMs: number; subjectUrl: string; targets: Readonly<Record<string, string>>; folders: RigFolders }): object {
  return {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name }, lease: `${leaseMs}ms`,
    load: { users: 4, spawnRate: 20, host: subjectUrl, locustfile: locustfileOf(folders), reachedWithin: '15s' },
    faults: Object.entries(targets).map(([kind, match]) => ({ kind, target: { process: { match } }, at: '1s', duration: `${durationMs}ms` })),
    gates: [
      { name: 'requests-succeed', errorRate: { max: '5%' }, window: '500ms', consecutive: 2 },
      { name: 'prometheus-sees-it', promql: { query: 'min(subject_is_here)', min: 1 } },
    ],
    hold: `${durationMs}ms`, recovery: { within: '10s', stable: '500ms' },
  }
}


