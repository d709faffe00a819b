import { readConfig } from '#shared/config.ts'
import { FaultlineError } from '#shared/errors.ts'
import type { Experiment } from '#shared/experiment.ts'
import { configuredPrometheus, connectPrometheus, type PrometheusOptions } from '#shared/prometheus.ts'
import { askAgain } from './ask-again.ts'

/** The Prometheus that gates are to be read from answers no question. */
class PrometheusUnreadable extends FaultlineError {
  readonly code = 'prometheus_unreadable'
}

/** The one named on the command line, or in the settings; both with the settings' credentials. */
export function prometheusThere(url: string | undefined): PrometheusOptions | undefined {
  const config = readConfig()
  return configuredPrometheus(url === undefined ? config : { ...config, get: name => name === 'prometheus.url' ? url : config.get(name) })
}

/** One that was only just started answers 503, or not at all, while it reads what it has stored. */
const usualPatienceMs = 10_000
const askAgainMs = 500

/** A fault whose gates nobody can read is done for nothing, so that is found out before: for `patienceMs` it is asked again. Throws PrometheusUnreadable. */
export async function demandPrometheus(options: PrometheusOptions, experiments: readonly Experiment[], { patienceMs = usualPatienceMs } = {}): Promise<void> {
  const gates = new Set(experiments.flatMap(experiment => experiment.gates).filter(({ source }) => source === 'prometheus').map(({ name }) => name))
  if (gates.size === 0) return
  const prometheus = connectPrometheus(options)
  try {
    const ask = () => prometheus.ask('vector(1)', Date.now(), { freshForMs: 60_000 })
    const answer = await askAgain(ask, found => found.is === 'value' ? undefined : found.why, { patienceMs, againMs: askAgainMs })
    if (answer.is !== 'value') throw new PrometheusUnreadable(`${answer.why}; the gates ${[...gates].join(', ')} read it, so that no run could pass, and none was begun: is that its address (--prometheus, or the setting prometheus.url)?`)
  } finally {
    prometheus.close()
  }
}
