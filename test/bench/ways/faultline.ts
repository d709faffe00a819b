import { join } from 'node:path'
import type { StoredFact } from '#shared/events.ts'
import { judge } from '#shared/verdict.ts'
import { ApiClient } from '../../../services/cli/api-client.ts'
import { countersOf, load, locustfile, mostFailed, rangeMs, type Lane } from '../lane.ts'
import type { Way } from './way.ts'

const patienceMs = 90_000

/** Where faultline's services are, and what the verdict's own clock says of each breach. */
export interface FaultlineOptions {
  address: { apiUrl: string; token: string }
  /** Told what the run's own verdict says of the time from the breach, which is when its rule was broken, to the revert. */
  onJudged(breachToRevertedMs: number | null): void
}

/** Looks at the load's own samples, which come every 200 ms, and aborts at the first that is bad. */
export const streamGate = (options: FaultlineOptions): Way => gateOf(options, {
  name: 'stream', title: 'faultline, gate on the load stream', looks: 'blocks of 200 ms, the first bad one', bars: { medianMs: 400, p99Ms: 1_000 },
  gate: () => ({ name: 'errors', errorRate: { max: mostFailed }, window: '200ms', consecutive: 1 }),
})

/** Asks Prometheus every second, and aborts at the first bad answer. */
export const promqlGate = (options: FaultlineOptions): Way => gateOf(options, {
  name: 'promql', title: 'faultline, PromQL gate', looks: 'every 1 s, scrapes every 1 s, the first bad look', bars: { p99Ms: 3_000 },
  gate: lane => ({ name: 'errors', source: 'prometheus', errorRate: { max: mostFailed, ...countersOf(lane) }, window: `${rangeMs}ms`, interval: '1s', consecutive: 1 }),
})

function gateOf({ address, onJudged }: FaultlineOptions, { gate, ...way }: Pick<Way, 'name' | 'title' | 'looks' | 'bars'> & { gate(lane: Lane): object }): Way {
  const client = new ApiClient(address)
  return {
    ...way, needsLoad: false, lanes: 1, quietMs: 500,
    async act(lane, _phase, signal) {
      const experiment = {
        apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: `breach-${way.name}` },
        load: { ...load, host: lane.url, locustfile },
        faults: [{ kind: 'pause', target: { process: { match: 'backend.ts' } }, at: '1s', duration: '20s' }],
        gates: [gate(lane)], recovery: { within: '10s', stable: '500ms' },
      }
      const facts = await factsOf(client, await client.submit(experiment, join(lane.folder, 'experiment.yaml')), AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]))
      const { verdict, reasons, faults: [fault], timings } = judge(facts)
      if (verdict !== 'failed' || fault?.cause !== 'abort' || !fault.verified) throw new Error(`the gate did not end the fault: ${verdict}, ended by ${fault?.cause ?? 'nobody'}: ${reasons.join('; ')}`)
      onJudged(timings.breachToRevertedMs)
    },
  }
}

async function factsOf(client: ApiClient, run: string, signal: AbortSignal): Promise<StoredFact[]> {
  const facts: StoredFact[] = []
  for await (const stored of client.facts(run, signal)) {
    facts.push(stored)
    if (stored.kind === 'run.judged') return facts
  }
  throw new Error(`the facts of ${run} ended without a verdict`)
}
