import { InvalidInput } from '#shared/errors.ts'
import type { Experiment } from '#shared/experiment.ts'
import { withoutLogin } from '#shared/redaction.ts'
import type { FailedScrape, ScrapeTarget } from './parts/prometheus.ts'

/** What follows `--scrape` is no address of metrics. */
class BadScrapeTarget extends InvalidInput {
  readonly code = 'bad_scrape_target'
}

/** `HOST:PORT`, which is asked at /metrics, or a URL. `index` counts from 0, and names the job. Throws BadScrapeTarget. Pure. */
export function parseScrapeTarget(text: string, index: number): ScrapeTarget {
  const isUrl = /^https?:\/\//i.test(text)
  const url = URL.parse(isUrl ? text : `http://${text}`)
  const hasPort = /^[^/]*:\d+(?:\/|$)/.test(text) // not by url.port, which is empty for 80
  const isAddress = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (!isAddress || !(isUrl || hasPort)) {
    throw new BadScrapeTarget(`--scrape ${withoutLogin(text)}: expected where the service shows its metrics: HOST:PORT, which is asked at /metrics, or a URL such as http://127.0.0.1:9100/custom/metrics`)
  }
  const isHttps = url.protocol === 'https:'
  return {
    job: `target-${index + 1}`, address: url.port === '' ? `${url.host}:${isHttps ? 443 : 80}` : url.host,
    ...(url.pathname !== '/' && { path: url.pathname }), ...(isHttps && { scheme: 'https' as const }),
  }
}

/** Of what the session's own Prometheus could not scrape as it began; of gates that nothing is scraped for. Each a line. Pure. */
export function scrapeWarnings(experiments: readonly Experiment[], { scraped, failed }: { scraped: number; failed: readonly FailedScrape[] }): string[] {
  const blind = experiments.flatMap(({ gates }) => gates).filter(({ source, rule }) => source === 'prometheus' && !rule.readsLoadMetrics).map(({ name }) => name)
  return [
    ...failed.map(({ url, why }) => `warning: ${url} could not be scraped (${why}): gates on its metrics have no data`),
    ...(scraped > 0 || blind.length === 0 ? []
      : [`warning: nothing of the service is scraped, and Prometheus is asked by ${[...new Set(blind)].join(', ')}: name where its metrics are with --scrape HOST:PORT, or a Prometheus that has them with --prometheus URL`]),
  ]
}
