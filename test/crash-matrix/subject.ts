/** What experiments of the matrix are done to, and what they really did to it: seen from outside, whatever faultline says. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { isStopped, readProcess } from '#shared/process/process-table.ts'
import { startEchoNamespace } from '../parts/process-tree.ts'
import { serve } from '../parts/sample-recorder.ts'
import { startWorker } from '../parts/worker.ts'

export const faultKinds = ['pause', 'network-drop'] as const
export type WatchedFault = typeof faultKinds[number]

/** A time in which a fault was there. Milliseconds of the monotonic clock; `toMs` is missing while it lasts. */
export interface Span { fromMs: number; toMs?: number }
export type SeenFaults = Record<WatchedFault, Span[]>

export interface Subject extends AsyncDisposable {
  url: string
  /** NAME=PID, comma-separated, as the agent is told who may be touched. */
  parents: string
  /** Part of the command line of each fault's target. */
  targets: Record<WatchedFault, string>
  /** A process in the network namespace that is cut off. */
  namespacePid: number
  seen(): SeenFaults
  /** Forgets what was seen; nothing may be there. */
  forget(): void
  /** Every request fails until this is called with false. */
  fail(isFailing: boolean): void
  /** How many requests were answered with an error since `forget`. */
  failures(): number
  /** How many requests have come from Locust, ever. */
  requests(): number
}

const lookMs = 20
/** Nothing answers a connection for this long: the namespace is cut off. */
const silenceMs = 150
const marker = 'crash-matrix-echo'

/** In the namespace: says `open` or `cut` whenever that changes. */
const watcher = `
  let was
  const look = () => {
    const socket = require('node:net').connect(7, '127.0.0.1')
    let over = false
    const end = is => {
      if (over) return
      over = true
      socket.destroy()
      if (is !== was) console.log(was = is)
      setTimeout(look, ${lookMs})
    }
    socket.setTimeout(${silenceMs}, () => end('cut')).on('connect', () => end('open')).on('error', () => end('cut'))
  }
  look()`

/** A web service for Locust and Prometheus, a worker to be paused, and a network namespace to be cut off. As root. */
export async function startSubject(port: number): Promise<Subject> {
  await using made = new AsyncDisposableStack()
  const seen: SeenFaults = { pause: [], 'network-drop': [] }
  const note = (fault: WatchedFault, isThere: boolean) => {
    const last = seen[fault].at(-1)
    const isOpen = last !== undefined && last.toMs === undefined
    if (isThere && !isOpen) seen[fault].push({ fromMs: performance.now() })
    if (!isThere && isOpen) last.toMs = performance.now()
  }
  let isFailing = false
  let failures = 0
  let requests = 0
  made.use(await serve((request, response) => {
    if (request.url === '/metrics') return response.end('subject_is_here 1\n')
    requests += 1
    if (isFailing) failures += 1
    return response.writeHead(isFailing ? 500 : 200).end('here')
  }, port))

  const worker = made.use(await startWorker())
  const looking = setInterval(() => {
    const entry = readProcess(worker.workerPid())
    note('pause', entry !== undefined && isStopped(entry))
  }, lookMs)
  made.defer(() => clearInterval(looking))

  const namespace = made.use(await startEchoNamespace(marker))
  const namespacePid = namespace.members()[0]?.pid ?? 0
  const watch = spawn('nsenter', ['--target', String(namespacePid), '--net', process.execPath, '--eval', watcher], { stdio: ['ignore', 'pipe', 'inherit'] })
  made.defer(() => void watch.kill('SIGKILL'))
  const first = Promise.withResolvers<void>()
  createInterface({ input: watch.stdout }).on('line', line => {
    note('network-drop', line === 'cut')
    first.resolve()
  })
  await first.promise

  const owned = made.move()
  return {
    url: `http://127.0.0.1:${port}`, namespacePid,
    parents: `worker=${worker.pid},network=${namespace.parent.pid}`,
    targets: { pause: 'faultline-test-worker', 'network-drop': marker },
    seen: () => structuredClone(seen),
    forget() {
      for (const fault of faultKinds) seen[fault].length = 0
      failures = 0
    },
    fail(now) { isFailing = now },
    failures: () => failures,
    requests: () => requests,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
