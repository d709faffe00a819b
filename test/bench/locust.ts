import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { FactData } from '#shared/events.ts'
import { freePort } from '#shared/process/free-port.ts'
import { locustApi } from '../../services/locust-bridge/locust-api.ts'
import { locustProcessPlan } from '../../services/locust-bridge/locust-process.ts'
import type { Bench } from './bench.ts'
import { targetPlan } from './children.ts'
import { head, median, row } from './figures.ts'
import { epoch, factsOf, startStage, type Stage } from './stage.ts'

const leastRatio = 0.97
const users = 50
const spawnRate = 100
/** All users are there after half a second; Locust's first second is slower. */
const settleMs = 3_000
const measuredMs = 10_000
const runsOfPair = 3
const token = 'bench-samples'

/** As fast as one core of Python can, so that whatever the listeners cost is missing from the requests. */
const locustfile = (listeners: string) => `
from locust import FastHttpUser, constant, task
${listeners}

class Visitor(FastHttpUser):
    wait_time = constant(0)

    @task
    def visit(self):
        self.client.get("/")
`

/** Two Locusts in turn, one with the listeners and a real bridge, one without either; what each has got through is counted by the server that they ask. */
export const locust: Bench = {
  name: 'locust',
  summary: "Locust's throughput with the bridge against without",
  async run({ runs, print, tell, signal }) {
    await using stage = await startStage()
    const { folder, children } = stage
    const server = await targetPlan(folder, 'server', 'backend')
    await children.start(server)
    const [plainPort, bridgedPort, bridgePort] = [await freePort(), await freePort(), await freePort()]
    const bridgedUrl = `http://127.0.0.1:${bridgedPort}`
    const startLocust = async (name: string, port: number, listeners: string, env: { FAULTLINE_BRIDGE_URL: string; FAULTLINE_BRIDGE_TOKEN: string }) => {
      const file = join(folder, `${name}.py`)
      writeFileSync(file, locustfile(listeners))
      await children.start({ ...locustProcessPlan({ env, locustfile: file, host: server.url, port, folder }), name })
    }
    tell('two Locusts and a bridge')
    await startLocust('plain', plainPort, '', { FAULTLINE_BRIDGE_URL: '', FAULTLINE_BRIDGE_TOKEN: '' })
    await startLocust('bridged', bridgedPort, 'import faultline_listeners', { FAULTLINE_BRIDGE_URL: `http://127.0.0.1:${bridgePort}`, FAULTLINE_BRIDGE_TOKEN: token })
    await stage.start('locust-bridge', { 'locust.url': bridgedUrl, 'api.token': token }, bridgePort)

    const plain = locustApi(`http://127.0.0.1:${plainPort}`)
    const measure = async () => {
      await delay(settleMs, undefined, { signal })
      const before = await countOf(server.url)
      await delay(measuredMs, undefined, { signal })
      const after = await countOf(server.url)
      return (after.requests - before.requests) / (after.atMs - before.atMs) * 1_000
    }
    const measurePlain = async () => {
      await plain.swarm({ users, spawnRate, host: server.url, parameters: {} })
      const perSecond = await measure()
      await plain.stop()
      return perSecond
    }
    const measureBridged = async (run: string) => {
      await beginLoad(stage, run, server.url, signal)
      const perSecond = await measure()
      await stage.bus.request('load-stop', 'locust-bridge', { run }, { timeoutMs: 5_000 })
      await loadState(stage, run, 'stopped', signal)
      return perSecond
    }

    const pairs: { without: number; with: number }[] = []
    const count = Math.ceil(runs / runsOfPair)
    for (let index = 0; index < count; index += 1) {
      tell(`pair ${index + 1} of ${count}`)
      const bridgedFirst = index % 2 === 1 ? await measureBridged(`pair-${index}`) : undefined // in turn, so that a machine that slows down hurts both
      const without = await measurePlain()
      pairs.push({ without, with: bridgedFirst ?? await measureBridged(`pair-${index}`) })
    }
    const ratios = pairs.map(pair => pair.with / pair.without)
    const [ratio, printed] = [median(ratios), (of: number) => of.toFixed(3)]
    print(`${users} users without a pause, ${measuredMs / 1_000} s at a time, ${count} times each, one after the other.\n`)
    print(head('', 'median', 'least', 'most', 'bar'))
    for (const [name, values] of [['without: requests/s', pairs.map(pair => pair.without)], ['with the bridge: requests/s', pairs.map(pair => pair.with)]] as const) {
      print(row(name, ...[median(values), Math.min(...values), Math.max(...values)].map(Math.round), '–'))
    }
    print(row('with : without, of each pair', printed(ratio), printed(Math.min(...ratios)), printed(Math.max(...ratios)), `median at least ${leastRatio}`))
    return ratio >= leastRatio ? [] : [`Locust's throughput with the bridge is ${printed(ratio)} of that without, not ${leastRatio}`]
  },
}

async function countOf(url: string): Promise<{ requests: number; atMs: number }> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const atMs = performance.now()
  return { requests: Number(/^backend_requests_total (\d+)$/m.exec(text)?.[1] ?? Number.NaN), atMs }
}

/** What the scheduler says to begin a load; resolves when all users are there. */
async function beginLoad(stage: Stage, run: string, host: string, signal: AbortSignal): Promise<void> {
  const experiment = {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: run }, load: { users, spawnRate, host },
    faults: [], hold: '1m', gates: [{ name: 'errors', errorRate: { max: '5%' } }],
  }
  await stage.bus.writer('scheduler').write(run, 'run.submitted', { experiment, experimentHash: '', epoch })
  const reply = await stage.bus.request('load-start', 'locust-bridge', { run, epoch, deadlineMs: Date.now() + 10_000 }, { timeoutMs: 10_000 })
  if (reply.outcome === 'refused') throw new Error(`the bridge has not begun: ${reply.why}`)
  await loadState(stage, run, 'reached', signal)
}

/** Waits until the bridge tells it of the run's load. */
async function loadState({ bus }: Stage, run: string, wanted: FactData<'load.state'>['state'], signal: AbortSignal): Promise<void> {
  for await (const { kind, fact } of factsOf(bus, run, ['load.state'], signal)) {
    if (kind !== 'load.state') continue
    const { state, detail } = fact.data
    if (state === 'failed') throw new Error(`the load failed: ${detail ?? 'no reason was given'}`)
    if (state === wanted) return
  }
}
