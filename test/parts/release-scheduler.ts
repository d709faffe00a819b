import type { Bus, FactWriter } from '#shared/bus.ts'
import { beginChain, signRecord } from '#shared/decision-record.ts'
import type { Signer } from '#shared/signing-key.ts'
import type { TestedService } from '#shared/tested-service.ts'
import { startNats, type Nats } from './nats.ts'
import { apiToken, quietExperiment, serveScheduler } from './served-scheduler.ts'

export const shop: TestedService = { namespace: 'jewelry', app: 'shop', version: '1.2.3' }

export interface RecordedRun { begin?: TestedService[]; end?: TestedService[]; endedAtMs?: number; verdict?: 'passed' | 'failed' | 'inconclusive'; document?: unknown; signer?: Signer }

/** A real scheduler over a real nats-server, and what is on its record. */
export interface ReleaseScheduler extends AsyncDisposable {
  url: string
  token: string
  releaseToken: string
  nats: Nats
  bus: Bus
  evaluator: FactWriter
  /** Writes the facts of a run through the bus: sealed and judged at once, before the scheduler could think of it as its own. */
  record(run: string, experiment: string, recorded?: RecordedRun): Promise<void>
}

export async function startReleaseScheduler({ requirementsFolder, trustedKeys }: { requirementsFolder: string; trustedKeys?: string[] }): Promise<ReleaseScheduler> {
  const releaseToken = 'release-token'
  await using unfinished = new AsyncDisposableStack()
  const nats = unfinished.use(await startNats())
  const { bus, url } = unfinished.use(await serveScheduler(nats, { metricsToken: 'metrics-token', release: { token: releaseToken, requirementsFolder, ...(trustedKeys && { trustedKeys: () => trustedKeys }) } }))
  const [writer, evaluator] = [bus.writer('scheduler'), bus.writer('slo-evaluator')]
  const owned = unfinished.move()
  return {
    url, token: apiToken, releaseToken, nats, bus, evaluator,
    async record(run, experiment, { begin = [shop], end = begin, endedAtMs = Date.now(), verdict = 'passed', document = quietExperiment(experiment), signer } = {}) {
      await writer.write(run, 'run.submitted', { experiment: document, experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
      await writer.write(run, 'run.services', { when: 'begin', services: begin, atMs: endedAtMs })
      await writer.write(run, 'run.sealed', { atMs: endedAtMs })
      await writer.write(run, 'run.services', { when: 'end', services: end, atMs: endedAtMs })
      const judged = { verdict, reasons: [verdict], revertUnconfirmed: false }
      await evaluator.write(run, 'run.judged', { ...judged, ...(signer && { record: signRecord(run, judged, beginChain(run), signer) }) })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
