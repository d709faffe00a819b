import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '#shared/process/free-port.ts'
import { toolPath } from '#shared/tools.mjs'
import { prometheusPlan, untilScraped, type ScrapeTarget } from '../../services/cli/parts/prometheus.ts'

/**
 * A real Prometheus that scrapes the targets every second; ready when each was scraped once. `flags`: more arguments of its command line.
 * `history`: dated samples in OpenMetrics' text format that it has from the start.
 */
export async function startPrometheus(targets: ScrapeTarget[], { flags = [], history }: { flags?: readonly string[]; history?: string } = {}): Promise<AsyncDisposable & { url: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
  if (history !== undefined) {
    writeFileSync(join(folder, 'history.txt'), history)
    execFileSync(toolPath('promtool'), ['tsdb', 'create-blocks-from', 'openmetrics', join(folder, 'history.txt'), join(folder, 'prometheus')], { stdio: 'pipe' })
  }
  const port = await freePort()
  const { argv: [program, ...args], ready } = prometheusPlan({ folder, port, targets })
  const child = spawn(program, [...args, ...flags], { stdio: 'ignore', cwd: folder })
  const isReady = () => ready.kind === 'http' && fetch(ready.url).then(response => response.ok, () => false)
  while (!await isReady()) {
    if (child.exitCode !== null) throw new Error(`prometheus ended with code ${child.exitCode}`)
    await delay(50)
  }
  await untilScraped(`http://127.0.0.1:${port}`, targets.length)
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true })
    },
  }
}
