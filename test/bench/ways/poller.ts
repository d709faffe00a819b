import { setTimeout as delay } from 'node:timers/promises'
import { connectPrometheus } from '#shared/prometheus.ts'
import { mostFailed, rangeMs, shareQuery } from '../lane.ts'
import type { Way } from './way.ts'

/** They sleep nearly all the time, and so do not disturb each other. */
export const pollerLanes = 4

interface Polling { name: string; title: string; intervalMs: number; inARow: number }

/**
 * Peers that poll, at their defaults:
 * - Chaos Mesh ends a workflow by a StatusCheck: `intervalSeconds` 10, `failureThreshold` 3 (api/v1alpha1/statuscheck_types.go, kubebuilder:default).
 * - Flagger takes a canary back: interval 60 s, threshold 1 (pkg/apis/flagger/v1beta1/canary.go, AnalysisInterval and GetAnalysisThreshold).
 */
export const pollers: readonly Polling[] = [
  { name: 'chaos-mesh', title: 'poller as Chaos Mesh\'s StatusCheck', intervalMs: 10_000, inARow: 3 },
  { name: 'flagger', title: 'poller as Flagger\'s analysis', intervalMs: 60_000, inARow: 1 },
]

/**
 * Not the peer itself, which needs a cluster: only its rhythm. It asks the same PromQL of the same Prometheus as faultline's gate, and continues the process
 * by itself in the moment in which it knows, so that what a peer needs for its own revert is left out in its favour.
 */
export const poller = (prometheusUrl: string, { name, title, intervalMs, inARow }: Polling): Way => ({
  name, title, looks: `every ${intervalMs / 1_000} s, scrapes every 1 s, ${inARow === 1 ? 'the first bad look' : `${inARow} bad looks in a row`}`,
  needsLoad: true, lanes: pollerLanes, quietMs: rangeMs + 2_000,
  async act(lane, phase, signal) {
    const prometheus = connectPrometheus({ url: prometheusUrl })
    process.kill(lane.backend.pid, 'SIGSTOP')
    try {
      let dueMs = performance.now() + phase * intervalMs
      for (let bad = 0; bad < inARow; dueMs += intervalMs) {
        await delay(Math.max(0, dueMs - performance.now()), undefined, { signal })
        const answer = await prometheus.ask(shareQuery(lane), Date.now(), { freshForMs: rangeMs })
        if (answer.is === 'no-data') throw new Error(`Prometheus has no data: ${answer.why}`)
        bad = answer.value > mostFailed ? bad + 1 : 0
      }
    } finally {
      process.kill(lane.backend.pid, 'SIGCONT')
      prometheus.close()
    }
  },
})
