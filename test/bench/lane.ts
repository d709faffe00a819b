import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { systemClock } from '#shared/clock.ts'
import { ownShareQuery } from '#shared/gate-share.ts'
import { freePort } from '#shared/process/free-port.ts'
import { readProcess, type ProcessId } from '#shared/process/process-table.ts'
import { locustApi } from '../../services/locust-bridge/locust-api.ts'
import { locustProcessPlan } from '../../services/locust-bridge/locust-process.ts'
import { targetPlan, type BenchChildren } from './children.ts'
import { lookMs, seenStopped } from './stop-watch.ts'

/** A service under load, of which one process can be paused: the gateway that its users see, and the backend behind it. Breaches are brought about in lanes, one at a time in each. */
export interface Lane {
  name: string
  /** Where its locustfile is, and whatever else belongs to it. */
  folder: string
  /** Of the gateway. */
  url: string
  /** `host:port` of its metrics. */
  address: string
  backend: ProcessId
  backendUrl: string
}

/** The load of every lane, and what is held against it: by every gate alike. */
export const load = { users: 20, spawnRate: 100 } as const
export const mostFailed = 0.05
/** Name of the locustfile in the lane's folder. */
export const locustfile = 'visitor.py'

export async function startLane({ folder: parent, children }: BenchChildren, name: string): Promise<Lane> {
  const folder = join(parent, name)
  mkdirSync(folder)
  copyFileSync(fileURLToPath(new URL(`target/${locustfile}`, import.meta.url)), join(folder, locustfile))
  const backend = await targetPlan(folder, `${name}-backend`, 'backend')
  const { pid } = await children.start(backend)
  const gateway = await targetPlan(folder, `${name}-gateway`, 'gateway', [String(backend.port)])
  await children.start(gateway)
  return { name, folder, url: gateway.url, address: `127.0.0.1:${gateway.port}`, backend: { pid, startTicks: readProcess(pid)?.startTicks ?? 0 }, backendUrl: backend.url }
}

/** The gateway's own counters, as Prometheus has them: PromQL selectors. */
export const countersOf = ({ name }: Lane) => ({ total: `gateway_requests_total{job="${name}"}`, bad: `gateway_failed_total{job="${name}"}` })

/** Three scrapes: the shortest range in which an increase is seen though a scrape is late. */
export const rangeMs = 3_000
/** What whoever asks Prometheus asks it. */
export const shareQuery = (lane: Lane): string => ownShareQuery(countersOf(lane), rangeMs)

/** Puts the lane's load on it by a Locust of its own, without a bridge; resolves when all users are there. The answer ends it. */
export async function loadLane({ children }: BenchChildren, { name, folder, url }: Lane, signal: AbortSignal): Promise<AsyncDisposable> {
  const env = { FAULTLINE_BRIDGE_URL: '', FAULTLINE_BRIDGE_TOKEN: '' }
  const plan = locustProcessPlan({ env, locustfile: join(folder, locustfile), host: url, port: await freePort(), folder })
  const child = await children.start({ ...plan, name: `${name}-locust` })
  const api = locustApi(plan.apiUrl)
  await api.swarm({ ...load, host: url, parameters: {} })
  while ((await api.stats()).user_count < load.users) await delay(200, undefined, { signal })
  return { [Symbol.asyncDispose]: () => child.stop() }
}

/**
 * `spanMs`: from the first failed request to the revert; 0 when it came before any request of the load had failed. `failed`: requests that failed from the pause
 * on; `stray`: before it, because the machine was too busy.
 */
export interface Breach { spanMs: number; failed: number; stray: number }

/** Nobody who is measured takes longer. */
const mostMs = 180_000
/** After a long pause a full queue of connections may have lost the first try of this one, which comes again after a second. */
const answerWithinMs = 5_000

/**
 * What is seen of one breach from outside of everybody who brings it about or ends it: the kernel says when the backend is stopped and when it is not, and
 * the load when its first request has failed. Rejects with what `act` rejects with, and when the backend does not answer afterwards.
 */
export async function observeBreach(lane: Lane, act: () => Promise<void>, signal: AbortSignal): Promise<Breach> {
  const beganMs = systemClock.monotonicMs()
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(mostMs)])
  const over = new AbortController()
  const acting = act()
  void acting.then(() => over.abort(new Error('the backend was never paused')), (error: unknown) => over.abort(error))
  const seeing = (async () => {
    const pausedMs = await seenStopped(lane.backend, true, AbortSignal.any([inTime, over.signal]))
    return { pausedMs, revertedMs: await seenStopped(lane.backend, false, inTime) }
  })()
  const [seen] = await Promise.all([seeing, acting])
  const answer = await fetch(lane.backendUrl, { signal: AbortSignal.timeout(answerWithinMs) })
  if (!answer.ok) throw new Error(`the backend answers ${answer.status} after its pause`)
  const failures = failuresOf(lane).filter(atMs => atMs >= beganMs)
  const caused = failures.filter(atMs => atMs >= seen.pausedMs - lookMs)
  return { spanMs: Math.max(0, seen.revertedMs - (caused[0] ?? seen.revertedMs)), failed: caused.length, stray: failures.length - caused.length }
}

/** When each failed request was known to have failed, in their order. */
export function failuresOf({ folder }: Lane): number[] {
  const file = join(folder, 'failures')
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map(ns => Number(ns) / 1e6) : []
}

/** Waits until no request has failed for so long, and nothing of a breach is left in a range of that length. */
export async function untilQuiet(lane: Lane, quietMs: number, signal: AbortSignal): Promise<void> {
  const beganMs = systemClock.monotonicMs()
  while (systemClock.monotonicMs() - Math.max(beganMs, failuresOf(lane).at(-1) ?? 0) < quietMs) await delay(100, undefined, { signal })
}
