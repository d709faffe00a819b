import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readConfig } from '#shared/config.ts'
import { ChildFailed, Children, type Child } from '#shared/process/children.ts'
import type { PrometheusOptions } from '#shared/prometheus.ts'
import { newSigningKey } from '#shared/signing-key.ts'
import type { DeclaredParent } from '../../injector/process-targets.ts'
import { natsServerPlan } from '../parts/nats-server.ts'
import { prometheusPlan, untilScraped, type FailedScrape, type ScrapeTarget } from '../parts/prometheus.ts'
import { claimProcesses } from './claim.ts'
import { startEmbeddedServices } from './embedded-services.ts'
import { adoptJournals, announceSession, newSessionFolder } from './folder.ts'
import { demandNotHalted, haltFilesHere } from './halt-files.ts'
import { onFreePort } from './on-free-port.ts'
import { startServiceProcesses } from './service-processes.ts'
import { journalFolder } from './services.ts'

/** What a session is about: processes that may be touched, with their descendants, and what its Prometheus reads. */
export interface Subject {
  parents: DeclaredParent[]
  scrape: ScrapeTarget[]
  /** Where probes look: a folder that is there, or URLs by name. */
  endpoints?: string | Readonly<Record<string, string>>
}

export interface SessionOptions {
  /** Starts, if need be, what is to be tested, as children of the session; says what it begins. */
  subject: (children: Children, folder: string, begin: (doing: string) => void) => Promise<Subject>
  /** A Prometheus that is there already; without it the session starts one. */
  prometheus?: PrometheusOptions
  /** `embedded`: the services in this process; `processes`: processes of their own. */
  services: 'embedded' | 'processes'
  /** Told what is being done, for people who wait. */
  onProgress?: (doing: string) => void
  /** Gives up, whatever is being waited for, when it aborts before the session is there. */
  signal?: AbortSignal
}

/** The services over a real nats-server on this machine; everything ends with this process, however it ends. */
export interface Session extends AsyncDisposable {
  apiUrl: string
  token: string
  /** What a Prometheus that is there already must scrape for gates that read the load. */
  loadMetricsUrl: string
  /** What the session's own Prometheus could not scrape as it began. */
  failedScrapes: readonly FailedScrape[]
  /** Aborts, with a ChildFailed, when a part has ended without which no run can come to its end. */
  lost: AbortSignal
}

const revertAll = fileURLToPath(new URL('../../injector/revert-all.ts', import.meta.url))

/** Starts the parts in the order in which they need each other. Throws HaltedHere, ProcessesClaimed, ChildFailed, what `subject` throws and the signal's reason, with nothing left. */
export async function startSession({ subject, prometheus, services: where, onProgress, signal }: SessionOptions): Promise<Session> {
  const begin = (doing: string) => {
    signal?.throwIfAborted()
    onProgress?.(doing)
  }
  demandNotHalted()
  const folder = newSessionFolder()
  await using unfinished = new AsyncDisposableStack()
  const starting = new AbortController()
  const giveUp = () => starting.abort(signal?.reason)
  signal?.addEventListener('abort', giveUp)
  const children = new Children(folder, { atEnd: [process.execPath, revertAll, join(folder, journalFolder)], parent: dirname(folder), starting: starting.signal })
  unfinished.defer(() => children.close())
  const lost = new AbortController()
  const watch = (name: string, { ended }: Child) => void ended.then(how => lost.abort(new ChildFailed(`${name} ended in mid-session (${how}); see ${join(folder, 'logs')}`)))
  adoptJournals(folder)
  const { parents, scrape, endpoints = {} } = await subject(children, folder, begin)
  claimProcesses(folder, parents)

  begin(where === 'embedded' ? 'nats-server and the services' : 'nats-server and the services as processes')
  const natsToken = randomBytes(24).toString('base64url')
  const nats = await onFreePort(async port => {
    watch('nats-server', await children.start(natsServerPlan({ folder, port, token: natsToken })))
    return { servers: `127.0.0.1:${port}`, token: natsToken }
  })
  const token = randomBytes(24).toString('base64url')
  const verdictSeed = readConfig().get('verdicts.signingSeed') ?? newSigningKey().seed
  const start = where === 'embedded' ? startEmbeddedServices : startServiceProcesses
  const services = unfinished.use(await start({ folder, nats, parents, endpointsFolder: typeof endpoints === 'string' ? endpoints : writeEndpoints(folder, endpoints), token, verdictSeed, haltFiles: haltFilesHere(), children, watch }))

  if (!prometheus) begin('Prometheus, and its first scrape')
  const asked = prometheus ? { options: prometheus, failed: [] } : await startPrometheus(children, folder, [...services.scrape, ...scrape], starting.signal)
  await services.startEvaluator(asked.options)
  signal?.throwIfAborted()
  signal?.removeEventListener('abort', giveUp) // from here on it aborts runs, and Locust is started for these
  announceSession(folder, { pid: process.pid, apiUrl: services.apiUrl, token })

  const owned = unfinished.move()
  return {
    apiUrl: services.apiUrl, loadMetricsUrl: services.loadMetricsUrl, failedScrapes: asked.failed, token, lost: lost.signal,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** As a mounted Secret would have them; for this user's eyes only. */
export function writeEndpoints(folder: string, endpoints: Readonly<Record<string, string>>): string {
  const path = join(folder, 'endpoints')
  mkdirSync(path, { recursive: true, mode: 0o700 })
  for (const [name, url] of Object.entries(endpoints)) writeFileSync(join(path, name), `${url}\n`, { mode: 0o600 })
  return path
}

async function startPrometheus(children: Children, folder: string, targets: ScrapeTarget[], signal: AbortSignal): Promise<{ options: PrometheusOptions; failed: FailedScrape[] }> {
  const url = await onFreePort(async port => {
    await children.start(prometheusPlan({ folder, port, targets }))
    return `http://127.0.0.1:${port}`
  })
  return { options: { url }, failed: await untilScraped(url, targets.length, { signal }) }
}
