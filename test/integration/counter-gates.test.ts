import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { Counter, Histogram, Registry } from 'prom-client'
import { connectBus } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { countGrowth, grow, nothingSeen } from '#shared/counter-growth.ts'
import { counterQueries } from '#shared/counter-series.ts'
import { connectPrometheus } from '#shared/prometheus.ts'
import { countersAnswer } from '../../services/slo-evaluator/counters-answer.ts'
import { startSloEvaluator } from '../../services/slo-evaluator/service.ts'
import { runOnCounters } from '../parts/counted-run.ts'
import { startNats } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { serve } from '../parts/sample-recorder.ts'

/** A service with counters of its own, as prom-client exposes them: an error series is there from the first error on. */
class Service {
  #registry = new Registry()
  #requests = this.#counter()
  #seconds = this.#histogram()
  /** Since it began, restarts or none. */
  served = 0
  failed = 0

  constructor() {
    new Counter({ name: 'shop_refused_total', help: 'Announced, and without a series', labelNames: ['why'], registers: [this.#registry] })
  }

  #counter() {
    return new Counter({ name: 'shop_requests_total', help: 'Requests', labelNames: ['code'], registers: [this.#registry] })
  }

  #histogram() {
    return new Histogram({ name: 'shop_seconds', help: 'Time', buckets: [0.25, 0.5, 1], registers: [this.#registry] })
  }

  serve(failed: number, seconds = 0.1): void {
    for (let index = 0; index < 5; index += 1) {
      this.served += 1
      this.#seconds.observe(seconds)
      if (index < failed) this.failed += 1
      this.#requests.inc({ code: index < failed ? '500' : '200' })
    }
  }

  /** Its process is replaced: all counters begin at nothing. */
  restart(): void {
    this.#registry = new Registry()
    this.#requests = this.#counter()
    this.#seconds = this.#histogram()
  }

  expose = () => this.#registry.metrics()
}

const selectors = { total: 'shop_requests_total', bad: 'shop_requests_total{code="500"}' }
const holdMs = 11_000
const tickMs = 50
const runsPerSecond = 1_000 / tickMs * 5

interface Scenario {
  /** Selectors get the job's name. */
  gate: (job: string) => object
  /** What the service does with five requests, by milliseconds since the injection. */
  happens: (service: Service, sinceMs: number) => void
}

const errors = (job: string) => ({ errorRate: { max: '5%', total: labelled(selectors.total, job), bad: labelled(selectors.bad, job) } })
const labelled = (selector: string, job: string) => selector.includes('{') ? selector.replace('{', `{job="${job}",`) : `${selector}{job="${job}"}`
const p95 = (max: string) => (job: string) => ({ latency: { quantile: 0.95, max, histogram: `shop_seconds{job="${job}"}` } })
let restarted = false

const scenarios = {
  healthy: { gate: job => ({ ...errors(job), series: 'sum' }), happens: service => service.serve(0) },
  appears: { gate: job => ({ ...errors(job), series: 'sum' }), happens: (service, sinceMs) => service.serve(sinceMs > 4_000 ? 5 : 0) },
  before: { gate: job => ({ ...errors(job), series: 'sum' }), happens: (service, sinceMs) => service.serve(sinceMs < -200 ? 5 : 0) },
  restarts: {
    gate: job => ({ ...errors(job), series: 'sum' }),
    happens: (service, sinceMs) => {
      if (sinceMs > 5_000 && !restarted) service.restart()
      restarted ||= sinceMs > 5_000
      service.serve(0)
    },
  },
  exact: { gate: p95('500ms'), happens: (service, sinceMs) => service.serve(0, sinceMs > 3_000 ? 0.6 : 0.1) },
  fast: { gate: p95('700ms'), happens: service => service.serve(0, 0.4) },
  between: { gate: p95('700ms'), happens: service => service.serve(0, 0.6) },
  several: { gate: errors, happens: service => service.serve(service.served % 500 === 0 ? 1 : 0) },
  announced: { gate: job => ({ errorRate: { max: '5%', total: labelled(selectors.total, job), bad: labelled('shop_refused_total', job) }, series: 'sum' }), happens: service => service.serve(0) },
  misspelt: { gate: job => ({ errorRate: { max: '5%', total: labelled(selectors.total, job), bad: labelled('shop_failures_total', job) }, series: 'sum' }), happens: service => service.serve(0) },
  mislabelled: { gate: job => ({ errorRate: { max: '5%', total: labelled(selectors.total, job), bad: labelled('shop_requests_total{status="500"}', job) }, series: 'sum' }), happens: service => service.serve(5) },
} satisfies Record<string, Scenario>
type Name = keyof typeof scenarios
const names = Object.keys(scenarios) as Name[]

const log = pino({ level: 'silent' })

test('gates with a limit judge counters of a real Prometheus', { timeout: 120_000 }, async t => {
  await using parts = new AsyncDisposableStack()
  const services = new Map(names.map(name => [name, new Service()]))
  const targets = await Promise.all(names.map(async name => {
    const exposed = parts.use(await serve((_request, response) => void services.get(name)?.expose().then(text => response.end(text))))
    return { job: name, address: new URL(exposed.url).host }
  }))
  let injectedMs = Infinity
  const traffic = setInterval(() => {
    for (const [name, service] of services) scenarios[name].happens(service, injectedMs === Infinity ? -1_000 : Date.now() - injectedMs)
  }, tickMs)
  parts.defer(() => clearInterval(traffic))
  const prometheus = await startPrometheus(targets)
  let isPrometheusThere = true
  parts.defer(() => isPrometheusThere ? prometheus[Symbol.asyncDispose]() : undefined)
  const asked: string[] = []
  const proxy = parts.use(await counting(prometheus.url, asked))
  const nats = parts.use(await startNats())
  const bus = await connectBus({ servers: nats.servers, token: nats.token, service: 'test', log })
  parts.defer(() => bus.close())
  const evaluator = await startSloEvaluator({ bus, clock: systemClock, log, prometheus: { url: proxy.url } })
  parts.defer(() => evaluator.stop())
  await delay(3_000) // so that the counters are known from before

  const served = new Map(names.map(name => [name, services.get(name)?.served ?? 0]))
  injectedMs = Date.now()
  const runs = new Map(await Promise.all(names.map(async name => {
    const breaches = name === 'appears' || name === 'exact'
    return [name, await runOnCounters(bus, name, [{ name: 'one', ...scenarios[name].gate(name) }], { holdMs, until: breaches ? told => told === 'breached' : undefined })] as const
  })))
  const gateOf = (name: Name) => {
    const gate = runs.get(name)?.judgement.gates[0]
    assert.ok(gate?.sequential)
    t.diagnostic(`${name}: ${gate.verdict}: ${gate.evidence}`)
    return { ...gate, sequential: gate.sequential }
  }

  await t.test('a healthy service passes, with no more requests than it has served since the injection', () => {
    const { verdict, evidence, sequential } = gateOf('healthy')
    assert.equal(verdict, 'passed', evidence)
    const since = (services.get('healthy')?.served ?? 0) - (served.get('healthy') ?? 0)
    assert.ok(sequential.total <= since && sequential.total > 7 * runsPerSecond * 0.8, `${sequential.total} of ${since}`)
    assert.equal(sequential.bad, 0)
  })
  await t.test('an error series that appears with its first error is a breach, dated after it', () => {
    const { verdict, evidence, sequential, breachedAtMs } = gateOf('appears')
    assert.equal(verdict, 'failed', evidence)
    assert.deepEqual([sequential.appeared, sequential.resets], [2, 0], 'it is a series of the total too')
    const afterMs = (breachedAtMs ?? 0) - (runs.get('appears')?.injectedMs ?? 0)
    assert.ok(afterMs > 4_000 && afterMs < 10_500, `breached ${afterMs} ms after the injection`)
  })
  await t.test('errors from before the injection are none of its', () => {
    const { verdict, evidence, sequential } = gateOf('before')
    assert.deepEqual([verdict, sequential.bad], ['passed', 0], evidence)
  })
  await t.test('a restart in mid-run is counted through', () => {
    const { verdict, evidence, sequential } = gateOf('restarts')
    assert.deepEqual([verdict, sequential.resets], ['passed', 1], evidence)
    assert.ok(sequential.total > 6 * runsPerSecond * 0.8 && sequential.total < 12 * runsPerSecond, `${sequential.total}`)
  })
  await t.test('a latency is judged by the bucket at its limit', () => {
    const { verdict, evidence, sequential } = gateOf('exact')
    assert.deepEqual([verdict, sequential.badAtMost], ['failed', undefined], evidence)
  })
  await t.test('without a bucket there it passes when all are surely fast, and is inconclusive, with the gap, when they are not', () => {
    const fast = gateOf('fast')
    assert.deepEqual([fast.verdict, fast.sequential.bad], ['passed', 0], fast.evidence)
    const between = gateOf('between')
    assert.equal(between.verdict, 'inconclusive', between.evidence)
    assert.deepEqual([between.sequential.bad, between.sequential.badAtMost], [0, between.sequential.total])
    assert.match(between.evidence, /no bucket of shop_seconds ends at 0\.7 s; it lies between 0\.5 s and 1 s/)
  })
  await t.test('a metric that is announced and has no series yet is none bad', () => {
    const { verdict, evidence, sequential } = gateOf('announced')
    assert.deepEqual([verdict, sequential.bad], ['passed', 0], evidence)
  })
  await t.test('several series that the file does not sum, and a metric that nobody exposes, are inconclusive', () => {
    assert.match(gateOf('several').evidence, /2 series of what is counted in all, not one; add series: sum/)
    assert.match(gateOf('misspelt').evidence, /Prometheus knows no metric shop_failures_total/)
    assert.deepEqual([gateOf('several').verdict, gateOf('misspelt').verdict], ['inconclusive', 'inconclusive'])
  })
  await t.test('a service that fails every request does not pass because the bad ones are named by a label that it does not have', () => {
    const { verdict, evidence } = gateOf('mislabelled')
    assert.equal(verdict, 'inconclusive', evidence)
    assert.match(evidence, /no series of shop_requests_total\{job="mislabelled"\} has the label status, by which shop_requests_total\{job="mislabelled",status="500"\} names the bad ones/)
  })
  await t.test('what many gates ask at once is asked once', async () => {
    asked.length = 0
    const gates = ['a', 'b', 'c'].map(name => ({ name, ...scenarios.healthy.gate('healthy') }))
    const { judgement } = await runOnCounters(bus, 'shared', gates, { holdMs: 4_100 })
    assert.deepEqual(judgement.gates.map(({ sequential }) => sequential?.total), Array.from({ length: 3 }, () => judgement.gates[0]?.sequential?.total))
    const raw = asked.filter(query => /ms\]&time=/.test(query) && query.startsWith('query=shop_requests'))
    assert.ok(raw.length >= 4, asked.join('\n'))
    assert.equal(new Set(raw).size, raw.length, raw.join('\n'))
  })
  await t.test('a Prometheus that dies makes the gate unreadable after three blocks', async () => {
    const die = async () => {
      await delay(3_000)
      await prometheus[Symbol.asyncDispose]()
      isPrometheusThere = false
    }
    const dying = die()
    const { facts, judgement } = await runOnCounters(bus, 'dead', [{ name: 'one', ...scenarios.healthy.gate('healthy') }], { holdMs: 20_000, until: told => told === 'unreadable' })
    await dying
    assert.equal(judgement.gates[0]?.verdict, 'inconclusive')
    const unreadable = facts.flatMap(stored => stored.kind === 'gate.status' && stored.fact.data.status === 'unreadable' ? [stored.fact.data.evidence] : [])
    assert.match(unreadable[0] ?? '', /not readable for 6000 ms .*did not answer the query/)
  })
})

/** Passes all on to Prometheus, and keeps what was asked of it, by its decoded form. */
async function counting(url: string, asked: string[]) {
  return await serve((incoming, outgoing) => {
    let form = ''
    incoming.on('data', (part: Buffer) => { form += part.toString() })
    incoming.on('end', () => {
      asked.push(decodeURIComponent(form.replaceAll('+', ' ')))
      const onward = request(new URL(incoming.url ?? '/', url), { method: incoming.method, headers: { ...incoming.headers, host: new URL(url).host } }, answer => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(outgoing)
      })
      onward.on('error', () => outgoing.destroy())
      onward.end(form)
    })
  })
}

test('a native histogram is read by its own buckets, with bounds where none ends at the limit', { timeout: 60_000 }, async () => {
  let [fast, middle, slow] = [50, 20, 30]
  const exposition = createServer((_request, response) => {
    response.setHeader('content-type', 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited')
    response.end(nativeHistogram('native_seconds', [fast, middle, slow]))
  })
  await new Promise<void>(resolve => exposition.listen(0, '127.0.0.1', resolve))
  const address = exposition.address()
  assert.ok(address !== null && typeof address === 'object')
  try {
    await using prometheus = await startPrometheus([{ job: 'native', address: `127.0.0.1:${address.port}` }], { flags: ['--enable-feature=native-histograms'] })
    const connected = connectPrometheus({ url: prometheus.url })
    const fromMs = Date.now()
    const counters = (maxMs: number) => ({ is: 'histogram' as const, histogram: 'native_seconds', maxMs, budget: 0.05, description: '' })
    const answerFor = (maxMs: number) => countersAnswer(connected, { counters: counters(maxMs), evaluatedAtMs: Date.now(), wanted: { fromMs: fromMs - 60_000, sinceMs: fromMs } })
    const scrapesSince = async () => {
      const answer = await answerFor(500)
      return answer.is === 'counters' ? (answer.series[0]?.samples ?? []).filter(([atMs]) => atMs >= fromMs).length : 0
    }
    while (await scrapesSince() < 1) await delay(100)
    ;[fast, middle, slow] = [fast + 60, middle + 30, slow + 10]
    const before = await scrapesSince()
    while (await scrapesSince() < before + 2) await delay(100)
    const countedAt = async (maxMs: number) => {
      const answer = await answerFor(maxMs)
      assert.ok(answer.is === 'counters', JSON.stringify(answer))
      return { ...countGrowth({ is: 'histogram' }, grow(nothingSeen, answer.series, { fromMs, intervalMs: 1_000 }).grown), gap: answer.gap }
    }
    assert.deepEqual(await countedAt(500), { total: 100, bad: 40, badAtMost: 40, gap: undefined })
    assert.deepEqual(await countedAt(700), { total: 100, bad: 10, badAtMost: 40, gap: 'no bucket of native_seconds ends at 0.7 s; it lies between 0.5 s and 1 s' })
    assert.match(counterQueries(counters(500), 1).join(), /native_seconds\|native_seconds_bucket/)
    connected.close()
  } finally {
    exposition.closeAllConnections()
    exposition.close()
  }
})

/**
 * A histogram of schema 0, whose buckets end at powers of two: counts in (0.25, 0.5], (0.5, 1] and (2, 4]. Delimited io.prometheus.client.MetricFamily, by the
 * field numbers of metrics.proto.
 */
function nativeHistogram(name: string, [fast, middle, slow]: [number, number, number]): Buffer {
  const varint = (value: number): number[] => value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
  const zigzag = (value: number) => varint(value >= 0 ? value * 2 : -value * 2 - 1)
  const number = (field: number, value: number[]) => [...varint(field << 3), ...value]
  const bytes = (field: number, value: readonly number[]) => [...varint(field << 3 | 2), ...varint(value.length), ...value]
  const double = (field: number, value: number) => {
    const buffer = Buffer.alloc(8)
    buffer.writeDoubleLE(value)
    return [...varint(field << 3 | 1), ...buffer]
  }
  const span = (offset: number, length: number) => bytes(12, [...number(1, zigzag(offset)), ...number(2, varint(length))])
  const histogram = [
    ...number(1, varint(fast + middle + slow)), ...double(2, 1), ...number(5, zigzag(0)), ...double(6, 0.001), ...number(7, varint(0)),
    ...span(-1, 2), ...span(1, 1), ...bytes(13, [...zigzag(fast), ...zigzag(middle - fast), ...zigzag(slow - middle)]),
  ]
  const family = [...bytes(1, [...Buffer.from(name)]), ...bytes(2, [...Buffer.from('Time')]), ...number(3, varint(4)), ...bytes(4, bytes(7, histogram))]
  return Buffer.from([...varint(family.length), ...family])
}
