import type { Logger } from 'pino'
import { Gauge, type Registry } from 'prom-client'
import type { Bus } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import { foldCoverage, noCoverage, type Look } from '#shared/coverage-fold.ts'
import { countCells, coverageOf, type Coverage } from '#shared/coverage.ts'
import { messageOf } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'

export interface CoverageOptions {
  bus: Bus
  clock: Clock
  log: Logger
  metrics: Registry
  /** Name of the agent that may use the Kubernetes API. */
  apiSideAgent: string
  leads(): boolean
}

export interface CoverageWatch {
  /** Every fact of the stream, history included, in its order. */
  take(stored: StoredFact): void
  /** The matrix now. `staleAfterMs`: how old a verdict may be; seven days when left out. */
  coverage(staleAfterMs?: number): Coverage
  stop(): void
}

const everyMs = 60_000
const againMs = 10_000
const answerWithinMs = 10_000
const agentStaleMs = 3_500

/**
 * What was tried on which service, and which services are there. Every scheduler asks for itself, whether it leads or not: each answers requests, and the
 * next leader should not begin with nothing. An agent says every second that it is here, and that is when it is asked, if it is time; so nobody
 * is asked where there is none. The metrics are the leader's alone, or their sums would count everything twice.
 */
export function watchCoverage({ bus, clock, log, metrics, apiSideAgent, leads }: CoverageOptions): CoverageWatch {
  let state = noCoverage
  let look: Look | undefined
  let failure: string | undefined
  let heardMs = -Infinity
  let dueMs = -Infinity
  let isAsking = false

  async function ask(): Promise<void> {
    const atMs = clock.nowMs()
    const found = await bus.request('discover', apiSideAgent, {}, { timeoutMs: answerWithinMs })
    if (found.outcome === 'refused') throw new Error(found.why)
    look = { atMs, services: found.services }
  }

  const presence = bus.onSignal('agent', apiSideAgent, () => {
    heardMs = clock.monotonicMs()
    if (isAsking || heardMs < dueMs) return
    isAsking = true
    const ended = (why: string | undefined) => {
      isAsking = false
      dueMs = clock.monotonicMs() + (why === undefined ? everyMs : againMs)
      if (why !== undefined && why !== failure) log.warn({ why }, 'which services are there could not be found out')
      failure = why
    }
    ask().then(() => ended(undefined), (error: unknown) => ended(messageOf(error)))
  })

  function whyUnknown(): string | undefined {
    if (clock.monotonicMs() > heardMs + agentStaleMs) return 'no agent that may use the Kubernetes API is alive, so nobody can say which services are there'
    return failure ?? (look ? undefined : 'the API-side agent has not answered yet')
  }

  const coverage = (staleAfterMs?: number): Coverage => coverageOf(state, { nowMs: clock.nowMs(), staleAfterMs, look, unknown: whyUnknown() })

  exportCoverage(metrics, () => leads() ? coverage() : undefined)
  return {
    take(stored) {
      state = foldCoverage(state, stored)
    },
    coverage,
    stop: () => presence.stop(),
  }
}

/** Of the services that are there; those of one that is gone would stay for ever. */
function exportCoverage(registry: Registry, now: () => Coverage | undefined): void {
  const registers = [registry]
  const cells = () => now()?.services.filter(({ present }) => present).flatMap(({ namespace, app, cells: its }) => its.map(cell => ({ labels: { namespace, service: app, kind: cell.kind }, cell }))) ?? []
  new Gauge({
    name: 'faultline_coverage_verdict', help: '1 for the last verdict of a kind of fault on a service', labelNames: ['namespace', 'service', 'kind', 'verdict'], registers,
    collect() {
      this.reset()
      for (const { labels, cell: { verdict } } of cells()) this.set({ ...labels, verdict }, 1)
    },
  })
  new Gauge({
    name: 'faultline_coverage_last_run_timestamp_seconds', help: 'When the run of that verdict was sealed', labelNames: ['namespace', 'service', 'kind'], registers,
    collect() {
      this.reset()
      for (const { labels, cell: { atMs } } of cells()) this.set(labels, atMs / 1_000)
    },
  })
  new Gauge({
    name: 'faultline_coverage_cells', help: 'Kinds of faults that can be done to the services, counted over all services by what is known; a stale verdict counts as stale alone', labelNames: ['state'], registers,
    collect() {
      this.reset()
      const known = now()
      if (known) for (const [state, count] of Object.entries(countCells(known))) this.set({ state }, count)
    },
  })
  new Gauge({
    name: 'faultline_coverage_discovered_timestamp_seconds', help: 'When somebody looked last which services are there', registers,
    collect() {
      this.remove()
      const discoveredAtMs = now()?.discoveredAtMs ?? undefined
      if (discoveredAtMs !== undefined) this.set(discoveredAtMs / 1_000)
    },
  })
}
