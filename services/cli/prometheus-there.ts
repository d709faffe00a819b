import { readConfig } from '#shared/config.ts'
import { FaultlineError, InvalidInput } from '#shared/errors.ts'
import type { Experiment } from '#shared/experiment.ts'
import { configuredPrometheus, connectPrometheus, type PrometheusOptions } from '#shared/prometheus.ts'
import { withoutLogin } from '#shared/redaction.ts'
import { askAgain } from './ask-again.ts'

/** The Prometheus that gates are to be read from answers no question. */
class PrometheusUnreadable extends FaultlineError {
  readonly code = 'prometheus_unreadable'
}

/** What follows `--prometheus` is no URL. */
class BadPrometheus extends InvalidInput {
  readonly code = 'bad_prometheus'
}

/** The one named on the command line, or in the settings; both with the settings' credentials. Throws BadPrometheus. */
export function prometheusThere(url: string | undefined): PrometheusOptions | undefined {
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) throw new BadPrometheus(`--prometheus ${withoutLogin(url)}: expected a URL such as http://127.0.0.1:9090`)
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
