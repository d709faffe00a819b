/**
 * Servers of the rig in a guest (test/guest/guest.ts), whose clock can be made to jump: Linux has one wall clock a kernel, namespaces or not. Everything
 * else stays on the host with the host's clock, and finds them at the ports that they have anyway.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { z } from 'zod'
import { isReady } from '#shared/process/readiness.ts'
import type { ChildPlan } from '#shared/process/child-plan.ts'
import { untilScraped } from '../../services/cli/parts/prometheus.ts'
import { quoted, startGuest } from '../guest/guest.ts'
import { until } from '../parts/until.ts'
import { monitorPort, monitorUrl, natsNames, natsPort, ports, routePort, type NatsName, type RigFolders } from './plans.ts'
import type { ProcessName } from './table.ts'

export interface GuestServers extends AsyncDisposable {
  has(name: ProcessName): boolean
  /** Resolves when it is ready. Does nothing for one that is there. */
  start(plan: ChildPlan & { name: ProcessName }): Promise<void>
  /** From now on the clock of all of them is other by so much. Gives how that was seen; rejects when a server's own time says otherwise. */
  jump(byMs: number): Promise<string>
  /** The host's time again, if it is another. What a server has kept of a time that is yet to come is its operator's to remove: Prometheus begins with an empty disk. */
  putRight(): Promise<void>
  log(name: ProcessName): Promise<string>
}

const storeMegabytes = 64
const readyWithinMs = 120_000
/** Between two clocks that are in step, of which one was read from the other over a serial line. */
const stepMs = 1_000
const mostTries = 50

const prometheusUrl = `http://127.0.0.1:${ports.prometheus}`
const isNats = (name: ProcessName): name is NatsName => natsNames.some(known => known === name)
const portsOf = (name: ProcessName) => isNats(name) ? [natsPort(name), routePort(name), monitorPort(name)] : [ports.prometheus]

/** As root, in namespaces of its own (inside.ts). The folders are there already. */
export async function startGuestServers(names: readonly ProcessName[], folders: RigFolders): Promise<GuestServers> {
  const guest = await startGuest({ ports: names.flatMap(portsOf) })
  const started = new Map<ProcessName, ChildPlan>()
  let isOff = true
  const storeOf = (name: ProcessName) => isNats(name) ? folders.stores[name] : join(folders.root, 'prometheus')
  const fileOf = (name: ProcessName, ending: 'log' | 'pid') => `/run/tmp/${name}.${ending}`

  async function begin(name: ProcessName, plan: ChildPlan): Promise<void> {
    await guest.run(`mount -t tmpfs -o size=${storeMegabytes}M,mode=0700 tmpfs ${storeOf(name)} && cd ${plan.cwd} && { ${plan.argv.map(quoted).join(' ')} >>${fileOf(name, 'log')} 2>&1 & echo $! >${fileOf(name, 'pid')}; }`)
    await until(`${name} is ready in the guest`, () => isReady(plan, '', { answerWithinMs: 2_000 }), readyWithinMs, { lookMs: 100 })
  }

  /** Again, until that took so little time that it cannot be off by much. */
  async function setToHost(): Promise<void> {
    for (let tries = 0; tries < mostTries; tries++) {
      const beganMs = performance.now()
      await guest.run(`date -s @${(Date.now() / 1_000).toFixed(3)} >/dev/null`)
      if (performance.now() - beganMs < stepMs / 2) return
    }
    throw new Error(`the guest's clock could not be set within ${stepMs / 2} ms, in ${mostTries} tries`)
  }

  /** Each server's own time, held against the host's at the asking and at the answer. */
  async function seeAhead(byMs: number): Promise<string> {
    const seen: string[] = []
    for (const name of started.keys()) {
      const askedAtMs = Date.now()
      const saysMs = isNats(name) ? await timeOfNats(name) : await timeOfPrometheus()
      const answeredAtMs = Date.now()
      const [leastMs, mostMs] = [saysMs - answeredAtMs, saysMs - askedAtMs]
      if (byMs < leastMs - stepMs || byMs > mostMs + stepMs) throw new Error(`the clock of ${name} is ${leastMs} to ${mostMs} ms ahead, and not ${byMs}`)
      seen.push(`${name} says ${new Date(saysMs).toISOString()}`)
    }
    return `${seen.join(', ')} at ${new Date().toISOString()}`
  }

  return {
    has: name => names.includes(name),
    async start(plan) {
      if (started.has(plan.name)) return
      if (isOff) await setToHost()
      isOff = false
      await begin(plan.name, plan)
      started.set(plan.name, plan)
      await seeAhead(0)
    },
    async jump(byMs) {
      isOff = true
      await guest.run(`date -s '${byMs / 1_000} seconds' >/dev/null`)
      return seeAhead(byMs)
    },
    async putRight() {
      if (!isOff) return
      await setToHost()
      const prometheus = started.get('prometheus')
      if (prometheus) {
        const pid = `$(cat ${fileOf('prometheus', 'pid')})`
        await guest.run(`kill -9 ${pid}; while [ -d /proc/${pid} ]; do sleep 0.1; done; umount ${storeOf('prometheus')}`)
        await begin('prometheus', prometheus)
        await untilScraped(prometheusUrl, 1, { timeoutMs: readyWithinMs })
      }
      await seeAhead(0)
      isOff = false
    },
    log: name => guest.run(`cat ${fileOf(name, 'log')}`),
    [Symbol.asyncDispose]: () => guest[Symbol.asyncDispose](),
  }
}

async function timeOfNats(name: NatsName): Promise<number> {
  const { now } = z.object({ now: z.string() }).parse(await answerOf(`${monitorUrl(name)}/varz`))
  return Date.parse(now)
}

async function timeOfPrometheus(): Promise<number> {
  const { data: { result: [, seconds] } } = z.object({ data: z.object({ result: z.tuple([z.number(), z.string()]) }) }).parse(await answerOf(`${prometheusUrl}/api/v1/query?query=time()`))
  return Number(seconds) * 1_000
}

async function answerOf(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
  assert.ok(response.ok, `${url} answered ${response.status}`)
  return response.json()
}
