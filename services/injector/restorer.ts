/**
 * Ends what was done through the Kubernetes API when its agent cannot: `node services/injector/restorer.ts`, as pods of their own, two of them on two
 * nodes. It knows no NATS and takes no commands; it reads the records of faults (cluster/fault-records.ts), and when one has not been renewed in
 * time, it undoes what the record says, reads back, and marks the record. The next agent tells of it.
 *
 * It looks for no halt file: it begins nothing that a halt could stop, and what a halt ends is its agent's to undo, who has the file. With the agent dead nobody
 * renews, so that the lease ends the fault here as ever; two who undo the same at once would only be a second way to go wrong.
 */
import type { V1Lease } from '@kubernetes/client-node'
import { systemClock } from '#shared/clock.ts'
import { readConfig } from '#shared/config.ts'
import { messageOf } from '#shared/errors.ts'
import { createLog } from '#shared/log.ts'
import { listenAddress } from '#shared/main.ts'
import { createMetrics, serveHealth } from '#shared/service.ts'
import { Counter } from 'prom-client'
import { faultRecords, parseRecord, recordLabel, recordsNamespace, type FaultRecord } from './cluster/fault-records.ts'
import { connectKubernetes } from './cluster/kubernetes.ts'
import { due, forget, isStillDue, see, tryLater, type WatchedRecords } from './cluster/restorer-core.ts'
import { isApiUndo } from './journal.ts'
import { undoEntry } from './undo.ts'

const tickMs = 100
const watchAgainMs = 500

const config = readConfig()
const log = createLog('restorer', { level: config.need('log.level') })
const metrics = createMetrics('restorer')
const restored = new Counter({ name: 'faultline_restorer_restored_total', help: 'Faults ended because nobody renewed them', registers: [metrics] })
const kubernetes = await connectKubernetes()
const records = faultRecords(kubernetes, 'restorer')
const underWay = new Set<string>()
let watched: WatchedRecords = new Map()
let isWatching = false

function take(lease: V1Lease): void {
  const record = parseRecord(lease)
  if (record && isOurs(record)) watched = see(watched, record.entry.id, { ...record, isOver: record.reverted !== undefined }, systemClock.monotonicMs())
}

/** What a power service ends by itself is no work for a restorer, which has no access to it. */
const isOurs = ({ entry }: FaultRecord) => entry.undos.some(undo => isApiUndo(undo) && undo.undo !== 'power-on')

const watching = kubernetes.watchLeases(recordsNamespace, `${recordLabel}=fault`)
watching.on('add', take)
watching.on('update', take)
watching.on('delete', lease => { const id = parseRecord(lease)?.entry.id; if (id !== undefined) watched = forget(watched, id) })
watching.on('connect', () => { isWatching = true })
watching.on('error', (error: unknown) => {
  isWatching = false
  log.warn({ why: messageOf(error) }, 'the records cannot be watched; trying again')
  setTimeout(() => void start(), watchAgainMs)
})
const start = () => watching.start().catch((error: unknown) => {
  log.warn({ why: messageOf(error) }, 'the records cannot be listed; trying again')
  setTimeout(() => void start(), watchAgainMs)
})

setInterval(() => {
  for (const id of due(watched, systemClock.monotonicMs())) {
    if (underWay.has(id)) continue
    underWay.add(id)
    restore(id).catch((error: unknown) => {
      log.error({ id, why: messageOf(error) }, 'a fault could not be ended; tried again')
      watched = tryLater(watched, id, systemClock.monotonicMs())
    }).finally(() => underWay.delete(id))
  }
}, tickMs)

/** Looked at once more before anything is done: a renewal may be under way to here. */
async function restore(id: string): Promise<void> {
  const now = await records.read(id)
  if (!now || now.reverted) {
    watched = forget(watched, id)
    return
  }
  if (!isStillDue(watched, id, now.version)) {
    watched = see(watched, id, { ...now, isOver: false }, systemClock.monotonicMs())
    return
  }
  const observation = await undoEntry(now.entry)
  log.warn({ run: now.entry.run, fault: now.entry.fault, readBack: observation.readBack }, observation.verified ? 'nobody renewed it: ended' : 'nobody renewed it, and its end is not confirmed')
  if (!observation.verified) {
    watched = tryLater(watched, id, systemClock.monotonicMs())
    return
  }
  await records.markReverted(id, { cause: 'lease', observation })
  restored.inc()
  watched = forget(watched, id)
}

await start()
const server = await serveHealth({ ...listenAddress(config), metrics, metricsToken: config.get('metrics.token'), ready: () => isWatching })
log.info({ url: server.url }, 'restorer ready')
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0)) // all it knows is in the API
