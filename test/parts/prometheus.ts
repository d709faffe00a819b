import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '#shared/process/free-port.ts'
import { prometheusPlan, untilScraped, type ScrapeTarget } from '../../services/cli/parts/prometheus.ts'

/** A real Prometheus that scrapes the targets every second; ready when each was scraped once. `flags`: more arguments of its command line. */
export async function startPrometheus(targets: ScrapeTarget[], { flags = [] }: { flags?: readonly string[] } = {}): Promise<AsyncDisposable & { url: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
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
