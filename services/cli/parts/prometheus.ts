import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { toolPath } from '../setup/tools.mjs'
import type { ChildPlan } from './child-plan.ts'

export interface ScrapeTarget {
  job: string
  /** `host:port` */
  address: string
  path?: string
  scheme?: 'http' | 'https'
  bearerToken?: string
}

/** Prometheus that scrapes every second, the first time at once (by default it would wait some five seconds). */
export function prometheusPlan({ folder, port, targets }: { folder: string; port: number; targets: ScrapeTarget[] }): ChildPlan {
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
      toolPath('prometheus'), `--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'prometheus')}`, `--web.listen-address=127.0.0.1:${port}`,
      '--scrape.discovery-reload-interval=100ms', '--query.lookback-delta=5s', '--log.level=warn',
    ],
    env: {}, cwd: folder, ready: { kind: 'http', url: `http://127.0.0.1:${port}/-/ready` },
  }
}
