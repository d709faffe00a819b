import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { stringify } from 'yaml'
import { z } from 'zod'
import { FaultlineError } from '#shared/errors.ts'
import { toolPath } from '#shared/tools.mjs'
import type { ChildPlan } from '#shared/process/child-plan.ts'

export interface ScrapeTarget {
  job: string
  /** `host:port` */
  address: string
  path?: string
  scheme?: 'http' | 'https'
  bearerToken?: string
}

/** Prometheus that scrapes every second. `listen`: the address that it is asked at. */
export function prometheusPlan({ folder, port, targets, listen = '127.0.0.1' }: { folder: string; port: number; targets: ScrapeTarget[]; listen?: string }): ChildPlan {
  const config = join(folder, 'prometheus.yml')
  writeFileSync(config, stringify({
    global: { scrape_interval: '1s', scrape_timeout: '900ms', evaluation_interval: '1s' },
    scrape_configs: targets.map(({ job, address, path = '/metrics', scheme = 'http', bearerToken }) => ({
      job_name: job, scheme, metrics_path: path, static_configs: [{ targets: [address] }],
      ...(bearerToken !== undefined && { authorization: { credentials: bearerToken } }),
    })),
  }), { mode: 0o600 })
  return {
    name: 'prometheus',
    argv: [
      toolPath('prometheus'), `--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'prometheus')}`, `--web.listen-address=${listen}:${port}`,
      '--query.lookback-delta=5s', '--log.level=warn',
    ],
    env: {}, cwd: folder, ready: { kind: 'http', url: `http://127.0.0.1:${port}/-/ready` },
  }
}

/** What Prometheus could not scrape, and why, in its words. */
export interface FailedScrape { url: string; why: string }

/** Waits until each target has been scraped once, well or badly: some five seconds on Prometheus 2.x, whatever its flags say. Those where it went badly. Throws the signal's reason as soon as that aborts. */
export async function untilScraped(url: string, targets: number, { timeoutMs = 15_000, signal = neverAborts }: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<FailedScrape[]> {
  const givenUpAt = performance.now() + timeoutMs
  for (;;) {
    signal.throwIfAborted()
    const response = await fetch(`${url}/api/v1/targets?state=active`, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) }).catch(() => undefined)
    const answer = response?.ok ? targetsSchema.parse(await response.json()) : undefined
    const scraped = answer?.data.activeTargets.filter(({ health }) => health !== 'unknown') ?? []
    if (answer && scraped.length >= targets) return scraped.flatMap(({ health, scrapeUrl, lastError }) => health === 'up' ? [] : [{ url: scrapeUrl, why: lastError }])
    if (performance.now() > givenUpAt) throw new ScrapeMissing(`Prometheus at ${url} has not scraped its ${targets} targets within ${timeoutMs} ms`)
    await delay(50)
  }
}

const neverAborts = new AbortController().signal

const targetsSchema = z.object({ data: z.object({ activeTargets: z.array(z.object({ health: z.string(), scrapeUrl: z.string(), lastError: z.string() })) }) })

/** Prometheus runs, but does not look at its targets. */
export class ScrapeMissing extends FaultlineError {
  readonly code = 'scrape_missing'
}
