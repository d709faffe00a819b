import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { InvalidInput, messageOf } from '#shared/errors.ts'

/** A setting is not what it can be, or is not known. The message names where it came from. */
export class SettingInvalid extends InvalidInput {
  readonly code = 'setting_invalid'
}

interface Setting { default: string | undefined; secret?: true; doc: string }

/**
 * Every setting of every service. Its environment variable is its name in capitals: `nats.url` is FAULTLINE_NATS_URL; a variable that ends
 * in _FILE names a file that holds the value, for secrets. The file is FAULTLINE_CONFIG or ./faultline.yaml; the environment wins over it.
 */
export const settings = {
  'nats.url': { default: '127.0.0.1:4222', doc: 'NATS servers, comma-separated' },
  'nats.token': { default: undefined, secret: true, doc: 'Token of the NATS servers' },
  'nats.user': { default: undefined, doc: 'User of the NATS servers, in place of a token; replies then come to _INBOX.<user>' },
  'nats.password': { default: undefined, secret: true, doc: 'Its password' },
  'nats.tls.caFile': { default: undefined, doc: 'Certificate authorities to trust for the NATS servers (PEM): TLS is then demanded of them. They are reached by name, not by address' },
  'nats.tls.certFile': { default: undefined, doc: 'Certificate to show to the NATS servers (PEM), where they ask for one' },
  'nats.tls.keyFile': { default: undefined, doc: 'Its private key (PEM)' },
  'nats.replicas': { default: '1', doc: 'On how many NATS servers the stream is kept when it is made: 1, 3 or 5' },
  'nats.waitSeconds': { default: '0', doc: 'How long to wait at the start for NATS and for the stream' },
  'http.host': { default: '127.0.0.1', doc: 'Where the service listens: /metrics, /healthz, /readyz, and its API' },
  'http.port': { default: '0', doc: 'Its port; 0: any free one' },
  'http.hosts': { default: undefined, doc: 'Names by which the scheduler\'s API is reached from outside, such as an Ingress\'s, comma-separated; its addresses and the cluster\'s names need not be said' },
  'metrics.token': { default: undefined, secret: true, doc: 'Bearer token of /metrics; needed when http.host is not loopback' },
  'api.token': { default: undefined, secret: true, doc: 'Bearer token of the scheduler\'s API, as an admin, and of the bridge\'s samples; of a command with --cluster, in place of the one in the cluster\'s Secret' },
  'access.tokensFile': { default: undefined, doc: 'More tokens of the API, each with a name and a role: a file of lines NAME:ROLE:SHA-256 (faultline token makes one), read again when it changes' },
  'release.token': { default: undefined, secret: true, doc: 'Bearer token of the release checks, and of nothing else' },
  'release.requirementsFolder': { default: undefined, doc: 'What a release check requires when it names no experiment: a folder with APP.yaml for each service, a list of names or experiments' },
  'scheduler.host': { default: undefined, doc: 'Name or address at which other schedulers reach this one; http.host when left out' },
  'scheduler.experiments': { default: 'submitted', doc: 'Where experiments come from: submitted (its API), kubernetes (objects of the cluster too)' },
  'commands.signingSeed': { default: undefined, secret: true, doc: 'nkeys seed that signs commands: the scheduler\'s only. From a file, as all keys here, it is read again when the file changes' },
  'commands.publicKey': { default: undefined, doc: 'nkeys public keys that commands must be signed with, any of them, one a line or comma-separated' },
  'verdicts.signingSeed': { default: undefined, secret: true, doc: 'nkeys seed that signs verdicts: the evaluator\'s only; a local session makes one for itself when there is none' },
  'verdicts.publicKey': { default: undefined, doc: 'nkeys public keys that verdicts must be signed with, any of them, one a line or comma-separated: for verify, and for release checks, which then take no other' },
  'prometheus.url': { default: undefined, doc: 'Prometheus that the gates ask, and the scheduler for error budgets' },
  'prometheus.bearerToken': { default: undefined, secret: true, doc: 'Its bearer token' },
  'prometheus.tokenFile': { default: undefined, doc: 'A file that holds its bearer token, read before each request' },
  'prometheus.user': { default: undefined, doc: 'User of its basic authentication, in place of a token' },
  'prometheus.password': { default: undefined, secret: true, doc: 'Its password' },
  'prometheus.caFile': { default: undefined, doc: 'Certificate authorities to trust for it (PEM)' },
  'prometheus.orgId': { default: undefined, doc: 'X-Scope-OrgID, for Mimir, Cortex and Thanos' },
  'policy.webhookUrl': { default: undefined, secret: true, doc: 'Where it is told that a policy has paused: a POST of {text}, as Slack takes it' },
  'injector.driver': { default: 'local', doc: 'What the agent touches: local (processes), node (pods of its node), cluster (what only the Kubernetes API can do)' },
  'injector.node': { default: 'local', doc: 'Name of this agent' },
  'injector.stateFolder': { default: '/var/lib/faultline', doc: 'Where the agent keeps its undo journal' },
  'injector.parents': { default: '', doc: 'Processes that may be touched, with their descendants: NAME=PID, comma-separated' },
  'injector.podLogsFolder': { default: '/var/log/pods', doc: 'The kubelet\'s folder of pods\' logs, as the agent sees it' },
  'injector.containerLogsFolder': { default: '/var/log/containers', doc: 'The kubelet\'s folder of containers\' logs, as the agent sees it' },
  'vouchers.publicKey': { default: undefined, doc: 'nkeys public keys of the API-side agent, whose word a node\'s agent needs: any of them, one a line or comma-separated' },
  'vouchers.signingSeed': { default: undefined, secret: true, doc: 'nkeys seed that signs vouchers: the API-side agent\'s only' },
  'sentinel.service': { default: 'redis:26379', doc: 'Service of the Redis Sentinels, in whatever namespace a target names: NAME:PORT' },
  'sentinel.master': { default: undefined, doc: 'Name of the master that they watch, where they watch several' },
  'sentinel.user': { default: undefined, doc: 'Their user' },
  'sentinel.password': { default: undefined, secret: true, doc: 'Its password; many let anybody ask who the master is' },
  'power.url': { default: undefined, doc: 'Power service that node-power asks to switch nodes off and on; faultline faults node-power shows its protocol' },
  'power.token': { default: undefined, secret: true, doc: 'Its bearer token' },
  'halt.files': { default: '/var/lib/faultline/halt', doc: 'While one of these files is there, everything here is stopped and refused, comma-separated; local sessions look at ~/.local/state/faultline/halt too' },
  'prober.node': { default: 'local', doc: 'Name of the node that this prober looks from' },
  'probes.endpointsFolder': { default: undefined, doc: 'Endpoints that probes may name: a folder with one file an endpoint, which holds its URL' },
  'locust.url': { default: undefined, doc: 'Web API of a Locust that is there already; without it the bridge starts one' },
  'locust.token': { default: undefined, secret: true, doc: 'What that Locust takes from programs, as a bearer token' },
  'log.level': { default: 'info', doc: 'pino level: trace, debug, info, warn, error' },
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof settings

/** `file`: of a value that was read from the file that a variable in _FILE names. */
export interface SettingInForce { name: SettingName; environment: string; value: string | undefined; from: 'default' | 'file' | 'environment'; secret: boolean; doc: string; file?: string }

/** Reads every setting: environment over file over default. Throws SettingInvalid. */
export function readSettings(environment: NodeJS.ProcessEnv = process.env): SettingInForce[] {
  const fromFile = readFile(environment['FAULTLINE_CONFIG'])
  const known = Object.entries(settings) as [SettingName, Setting][]
  for (const name of fromFile.values.keys()) {
    if (!(name in settings)) throw new SettingInvalid(`${fromFile.path}: there is no setting ${name}; faultline config lists them`)
  }
  return known.map(([name, { default: standard, secret = false, doc }]) => {
    const variable = environmentName(name)
    const secretFile = environment[variable] === undefined ? environment[`${variable}_FILE`] : undefined
    const given = environment[variable] ?? readSecret(secretFile, `${variable}_FILE`)
    const inFile = fromFile.values.get(name)
    const value = given ?? inFile ?? standard
    const from = given !== undefined ? 'environment' : inFile !== undefined ? 'file' : 'default'
    return { name, environment: variable, value, from, secret, doc, ...(secretFile !== undefined && { file: secretFile }) }
  })
}

export interface Config {
  /** Undefined when neither set nor defaulted. */
  get(name: SettingName): string | undefined
  /** Throws SettingInvalid, which names the variable to set. */
  need(name: SettingName): string
  /** The file that its value came from, of a variable in _FILE: it may be another later. */
  fileOf(name: SettingName): string | undefined
}

export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const inForce = readSettings(environment)
  const values = new Map(inForce.map(setting => [setting.name, setting.value]))
  return {
    fileOf: name => inForce.find(setting => setting.name === name)?.file,
    get: name => values.get(name),
    need(name) {
      const value = values.get(name)
      if (value === undefined) throw new SettingInvalid(`${name} is not set; set ${environmentName(name)}, or ${name} in faultline.yaml`)
      return value
    },
  }
}

/** `prometheus.caFile` is FAULTLINE_PROMETHEUS_CA_FILE. */
export const environmentName = (name: SettingName): string => `FAULTLINE_${name.replace(/[A-Z]/g, letter => `_${letter}`).replaceAll('.', '_').toUpperCase()}`

function readFile(named: string | undefined): { path: string; values: Map<string, string> } {
  const path = named ?? 'faultline.yaml'
  if (named === undefined && !existsSync(path)) return { path, values: new Map() }
  try {
    const text = readFileSync(path, 'utf8')
    if (text === '') return { path, values: new Map() } // /dev/null
    const { parse } = createRequire(import.meta.url)('yaml') as { parse(text: string): unknown } // large, and few services have such a file
    return { path, values: new Map(flatten(parse(text))) }
  } catch (cause) {
    throw new SettingInvalid(`${path} cannot be read as settings: ${messageOf(cause)}`, { cause })
  }
}

/** Both `nats.url: x` and `nats: {url: x}`. */
function flatten(value: unknown, prefix = ''): [string, string][] {
  if (value === null || value === undefined) return []
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return [[prefix, String(value)]]
  if (typeof value !== 'object') return []
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, prefix === '' ? key : `${prefix}.${key}`))
}

function readSecret(path: string | undefined, variable: string): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new SettingInvalid(`${variable} names ${path}, which cannot be read: ${messageOf(cause)}`, { cause })
  }
}
