import { stripTypeScriptTypes } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'

/** A thread that takes the types out of sources and ends (page-routes.ts). */
const sources = workerData as Readonly<Record<string, string>>
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of threads has no origin
parentPort?.postMessage(Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, stripTypeScriptTypes(source)])))
