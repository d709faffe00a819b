import { freePort } from '#shared/process/free-port.ts'
import { startSession } from '../../services/cli/local/session.ts'
import { prometheusPlan, untilScraped } from '../../services/cli/parts/prometheus.ts'
import type { Bench, BenchContext } from './bench.ts'
import { chaosToolkitProgram } from './chaos-toolkit-environment.ts'
import { benchChildren, type BenchChildren } from './children.ts'
import { head, median, p99, printMs, row } from './figures.ts'
import { load, loadLane, observeBreach, startLane, untilQuiet, type Breach, type Lane } from './lane.ts'
import { chaosToolkit } from './ways/chaos-toolkit.ts'
import { promqlGate, streamGate } from './ways/faultline.ts'
import { poller, pollerLanes, pollers } from './ways/poller.ts'
import type { Way } from './ways/way.ts'

export const wayNames = ['stream', 'promql', 'chaos-toolkit', ...pollers.map(({ name }) => name)]

/** The same breach on the same machine under the same load, ended by faultline's gates and by others. */
export const breach: Bench = {
  name: 'breach',
  summary: 'from the first failed request to the revert: the stream gate, a PromQL gate, Chaos Toolkit, pollers',
  async run(context) {
    const { print, tell, signal, ways: isWanted } = context
    const program = isWanted('chaos-toolkit') ? await chaosToolkitProgram(context) : ''
    await using owned = benchChildren()
    const { folder, children } = owned
    tell('services under load, Prometheus, and faultline as processes')
    const lanes: Lane[] = []
    for (let lane = 1; lane <= (pollers.some(({ name }) => isWanted(name)) ? pollerLanes : 1); lane += 1) lanes.push(await startLane(owned, `lane-${lane}`))
    const [first] = lanes
    if (!first) throw new Error('expected a lane')
    const port = await freePort()
    await children.start(prometheusPlan({ folder, port, targets: lanes.map(({ name, address }) => ({ job: name, address })) }))
    const prometheusUrl = `http://127.0.0.1:${port}`
    await untilScraped(prometheusUrl, lanes.length)
    await using session = await startSession({
      subject: () => Promise.resolve({ parents: [{ name: 'backend', ...first.backend }], scrape: [] }), prometheus: { url: prometheusUrl }, services: 'processes', signal,
    })

    const byVerdict = new Map<string, number[]>()
    const options = (name: string) => ({ address: session, onJudged: (ms: number | null) => { if (ms !== null) byVerdict.set(name, [...byVerdict.get(name) ?? [], ms]) } })
    const ways: Way[] = [streamGate(options('stream')), promqlGate(options('promql')), chaosToolkit(owned, program), ...pollers.map(polling => poller(prometheusUrl, polling))]
    const measured: { way: Way; breaches: Breach[] }[] = []
    for (const way of ways.filter(({ name }) => isWanted(name))) measured.push({ way, breaches: await measureWay(way, lanes.slice(0, way.lanes), owned, context) })
    report(measured, byVerdict, print)
    return measured.flatMap(missedBars)
  },
}

async function measureWay(way: Way, lanes: readonly Lane[], owned: BenchChildren, { runs, tell, signal: interrupted }: BenchContext): Promise<Breach[]> {
  const found: Breach[] = []
  let begun = 0
  const inLane = async (lane: Lane, signal: AbortSignal) => {
    await using _load = way.needsLoad ? await loadLane(owned, lane, signal) : undefined
    while (begun < runs) {
      const index = begun++
      await untilQuiet(lane, way.quietMs, signal)
      const seen = await observeBreach(lane, () => way.act(lane, (index + 0.5) / runs, signal), signal)
      found.push(seen)
      tell(`${way.name}, ${found.length} of ${runs}: reverted ${printMs(seen.spanMs)} after the first failed request, ${seen.failed} failed`)
    }
  }
  const lost = new AbortController() // what fails in one lane ends the others
  const signal = AbortSignal.any([interrupted, lost.signal])
  await Promise.all(lanes.map(lane => inLane(lane, signal).catch((error: unknown) => {
    lost.abort(error)
    throw error
  })))
  return found
}

const spansOf = (breaches: readonly Breach[]) => breaches.map(({ spanMs }) => spanMs)

function report(measured: readonly { way: Way; breaches: readonly Breach[] }[], byVerdict: ReadonlyMap<string, readonly number[]>, print: BenchContext['print']): void {
  print(`One process behind a gateway is paused (SIGSTOP) under ${load.users} users, some 180 requests/s; the gateway answers 504 after 100 ms.\n`)
  print(head('ended by', 'it looks', 'runs', 'median', 'p99', 'bar', 'requests that failed (median)', "by faultline's own verdict: breach to reverted (median, p99)"))
  for (const { way: { name, title, looks, bars }, breaches } of measured) {
    const spans = spansOf(breaches)
    const own = byVerdict.get(name)
    const bar = bars ? [bars.medianMs === undefined ? [] : `median at most ${printMs(bars.medianMs)}`, `p99 at most ${printMs(bars.p99Ms)}`].flat().join(', ') : '–'
    print(row(title, looks, breaches.length, printMs(median(spans)), printMs(p99(spans)), bar, Math.round(median(breaches.map(({ failed }) => failed))), own ? `${printMs(median(own))}, ${printMs(p99(own))}` : '–'))
  }
  const stray = measured.reduce((sum, { breaches }) => sum + breaches.reduce((all, one) => all + one.stray, 0), 0)
  if (stray > 0) print(`\n${stray} requests failed before a pause, which nobody is charged for: the machine was too busy for its load.`)
}

function missedBars({ way: { title, bars }, breaches }: { way: Way; breaches: readonly Breach[] }): string[] {
  if (!bars) return []
  const spans = spansOf(breaches)
  return [
    ...bars.medianMs !== undefined && median(spans) > bars.medianMs ? [`${title}: a median of ${printMs(median(spans))}, not ${printMs(bars.medianMs)}`] : [],
    ...p99(spans) > bars.p99Ms ? [`${title}: a p99 of ${printMs(p99(spans))}, not ${printMs(bars.p99Ms)}`] : [],
  ]
}
