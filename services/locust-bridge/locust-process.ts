import { delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChildPlan } from '#shared/process/child-plan.ts'
import type { Children } from '#shared/process/children.ts'
import { freePort } from '#shared/process/free-port.ts'
import { toolPath } from '#shared/tools.mjs'

/** A Locust that was started for one run. */
export interface LocustProcess {
  /** Base URL of its web API. */
  apiUrl: string
  /** Resolves with how it ended: `code 0`, `SIGKILL`. */
  ended: Promise<string>
  /** Ends it with all its descendants; resolves when nothing of it runs. Repeatable. */
  stop(): Promise<void>
}

/** What the listeners in Locust need to know (k8s/locust/README.md). */
export interface ListenersEnvironment { FAULTLINE_BRIDGE_URL: string; FAULTLINE_BRIDGE_TOKEN: string }

/** Starts a Locust that is idle and answers at `apiUrl`. The environment is what its listeners need; `locustfile` is an absolute path. */
export type SpawnLocust = (env: ListenersEnvironment, locustfile: string, host: string) => Promise<LocustProcess>

const listenersFolder = fileURLToPath(new URL('../../k8s/locust/', import.meta.url))

/** The jewelry shop's users. */
export const shopLocustfile = `${listenersFolder}locustfile.py`

export interface LocustProcessOptions {
  env: ListenersEnvironment
  /** Absolute path. */
  locustfile: string
  host: string
  port: number
  /** Where it runs. Not the user's folder, because Locust obeys a `locust.conf` there. */
  folder: string
}

/** Locust with its web API on loopback, started idle: it swarms when it is asked to. */
export function locustProcessPlan({ env, locustfile, host, port, folder }: LocustProcessOptions): ChildPlan & { apiUrl: string } {
  const apiUrl = `http://127.0.0.1:${port}`
  const pythonPath = [listenersFolder, process.env['PYTHONPATH']].filter(part => part !== undefined && part !== '').join(delimiter)
  return {
    name: 'locust',
    argv: [toolPath('locust'), '-f', locustfile, '--host', host, '--web-host', '127.0.0.1', '--web-port', String(port)],
    env: { ...env, PYTHONPATH: pythonPath, PYTHONDONTWRITEBYTECODE: '1' },
    cwd: folder,
    ready: { kind: 'http', url: `${apiUrl}/` },
    apiUrl,
  }
}

/** Starts Locust as a child whose keeper ends it, with all its descendants, when this process is gone. Throws ChildFailed. */
export function spawnLocustIn(children: Children, folder: string): SpawnLocust {
  return async (env, locustfile, host) => {
    const plan = locustProcessPlan({ env, locustfile, host, port: await freePort(), folder })
    const { ended, stop } = await children.start(plan, { timeoutMs: 20_000 })
    return { apiUrl: plan.apiUrl, ended, stop }
  }
}
