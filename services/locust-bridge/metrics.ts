import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Experiment } from '#shared/experiment.ts'
import { loadMetrics, overdueIn, thresholdLabel } from '#shared/load-metrics.ts'
import type { LoadSample } from './load-sample.ts'

const usualBucketsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export interface ShownLoad {
  take(sample: LoadSample): void
  /** The counters stay until the next run's load; what is now in flight is no longer known. */
  end(): void
}

/** Shows one run's load, from 0, in place of the run before: the buckets are its gates' thresholds and cannot be changed later. */
export function showLoad(registry: Registry, run: string, gates: Experiment['gates']): ShownLoad {
  for (const name of Object.values(loadMetrics)) registry.removeSingleMetric(name)
  const registers = [registry]
  const thresholdsMs = [...new Set(gates.flatMap(({ rule }) => rule.overdueAfterMs ?? []))]
  const buckets = [...new Set([...usualBucketsSeconds, ...thresholdsMs.map(ms => ms / 1_000)])].sort((a, b) => a - b)
  const requests = new Counter({ name: loadMetrics.requests, help: 'Requests of the load that ended', labelNames: ['run', 'outcome'], registers })
  const duration = new Histogram({ name: loadMetrics.duration, help: 'Response times of the load, of requests that ended well or badly', labelNames: ['run'], buckets, registers })
  const overdue = new Gauge({ name: loadMetrics.overdue, help: 'Requests in flight longer than a threshold, now', labelNames: ['run', 'threshold_seconds'], registers })
  const inFlight = new Gauge({ name: loadMetrics.inFlight, help: 'Requests in flight, now', labelNames: ['run'], registers })
  const users = new Gauge({ name: loadMetrics.users, help: 'Users there, now', labelNames: ['run'], registers })
  const latest = new Map<string, LoadSample>()

  const count = (outcome: 'ok' | 'failed', times: LoadSample['ok']) => {
    for (const [ms, howMany] of Object.entries(times)) {
      requests.inc({ run, outcome }, howMany)
      for (let k = 0; k < howMany; k++) duration.observe({ run }, Number(ms) / 1_000)
    }
  }
  const showNow = () => {
    const sum = (of: (sample: LoadSample) => number) => [...latest.values()].reduce((total, sample) => total + of(sample), 0)
    users.set({ run }, sum(sample => sample.users))
    inFlight.set({ run }, sum(sample => sample.inFlightTotal))
    for (const ms of thresholdsMs) overdue.set({ run, threshold_seconds: thresholdLabel(ms) }, sum(sample => overdueIn(sample.inFlight, ms)))
  }

  for (const outcome of ['ok', 'failed']) requests.inc({ run, outcome }, 0)
  duration.zero({ run })
  showNow()
  return {
    take(sample) {
      latest.set(sample.worker, sample)
      count('ok', sample.ok)
      count('failed', sample.failed)
      showNow()
    },
    end() {
      for (const gauge of [overdue, inFlight, users]) gauge.reset()
    },
  }
}
