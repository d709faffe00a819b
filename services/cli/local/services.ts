import type { PrometheusOptions } from '#shared/prometheus.ts'
import type { DeclaredParent } from '../../injector/process-targets.ts'
import type { ScrapeTarget } from '../parts/prometheus.ts'

/** What the five services of a local session are started with. They share NATS and nothing else. */
export interface ServicesOptions {
  /** The session's folder. */
  folder: string
  nats: { servers: string; token: string }
  /** Processes that may be touched, with their descendants. */
  parents: readonly DeclaredParent[]
  /** Folder with the addresses that probes may name. */
  endpointsFolder: string
  /** Bearer token of the scheduler's API and of the bridge's samples. */
  token: string
  /** nkeys seed that signs verdicts. */
  verdictSeed: string
  /** Any of these stops all of them while it is there. */
  haltFiles: readonly string[]
}

/** The services of a local session, in this process or in processes of their own. */
export interface LocalServices extends AsyncDisposable {
  apiUrl: string
  /** Where the load's metrics are. */
  loadMetricsUrl: string
  /** Where all their metrics are. */
  scrape: ScrapeTarget[]
  /** The evaluator starts last, when there is a Prometheus to ask, which scrapes the others. */
  startEvaluator(prometheus: PrometheusOptions): Promise<void>
}

/** The agent's journal, which outlives the session's folder while something in it is not confirmed as undone. */
export const journalFolder = 'injector'
