import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { Counter, Registry } from 'prom-client'
import { connectBus } from '#shared/bus-nats.ts'
import { systemClock } from '#shared/clock.ts'
import { startSloEvaluator } from '../../services/slo-evaluator/service.ts'
import { runOnCounters, type CountedRun } from '../parts/counted-run.ts'
import { startNats } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { serve } from '../parts/sample-recorder.ts'

/** A pod with a counter of its own, as prom-client exposes it. */
class Pod {
  #registry = new Registry()
  #requests = new Counter({ name: 'pod_requests_total', help: 'Requests', labelNames: ['code'], registers: [this.#registry] })

  constructor() {
    this.#requests.inc({ code: '500' }, 0) // an error series that is there from the begin
  }

  serve(failed: number): void {
    for (let index = 0; index < requestsPerTick; index += 1) this.#requests.inc({ code: index < failed ? '500' : '200' })
  }

  expose = () => this.#registry.metrics()
}

const tickMs = 50
const requestsPerTick = 5
const holdMs = 16_500

/** Of five requests so many fail, by milliseconds since the injection. */
type Course = (sinceMs: number) => number
const none: Course = () => 0
/** Everything fails for two seconds, again and again. */
const noise: Course = sinceMs => (sinceMs + 60_000) % 5_000 > 3_000 ? requestsPerTick : 0
const fault: Course = sinceMs => sinceMs > 5_000 ? requestsPerTick : 0
/** A request fails once. */
const both = (...courses: Course[]): Course => sinceMs => Math.max(...courses.map(course => course(sinceMs)))

/** What the pod with the fault and the one without do; null: it gets no requests. */
const scenarios = {
  quiet: { own: none, control: none },
  noisy: { own: noise, control: noise },
  faulty: { own: both(noise, fault), control: noise },
  idle: { own: none, control: null },
} satisfies Record<string, { own: Course; control: Course | null }>
type Name = keyof typeof scenarios
const names = Object.keys(scenarios) as Name[]

const counters = (job: string) => ({ total: `pod_requests_total{job="${job}"}`, bad: `pod_requests_total{job="${job}",code="500"}` })
const gateOn = (name: string, control?: string) => ({ name: 'errors', block: '4s', series: 'sum', errorRate: { max: '5%', ...counters(`${name}-own`) }, ...(control !== undefined && { control: counters(control) }) })

const log = pino({ level: 'silent' })

test('gates with a control judge counters of a real Prometheus, whose targets are scraped at different times', { timeout: 120_000 }, async t => {
  await using parts = new AsyncDisposableStack()
  const pods = names.flatMap(name => (['own', 'control'] as const).map(arm => ({ name, arm, job: `${name}-${arm}`, pod: new Pod() })))
  const targets = await Promise.all(pods.map(async ({ job, pod }) => {
    const exposed = parts.use(await serve((_request, response) => void pod.expose().then(text => response.end(text))))
    return { job, address: new URL(exposed.url).host }
  }))
  let injectedMs = Infinity
  const traffic = setInterval(() => {
    const sinceMs = injectedMs === Infinity ? -1_000 : Date.now() - injectedMs
    for (const { name, arm, pod } of pods) {
      const course = scenarios[name][arm]
      if (course) pod.serve(course(sinceMs))
    }
  }, tickMs)
  parts.defer(() => clearInterval(traffic))
  const prometheus = parts.use(await startPrometheus(targets))
  const nats = parts.use(await startNats())
  const bus = await connectBus({ servers: nats.servers, token: nats.token, service: 'test', log })
  parts.defer(() => bus.close())
  const evaluator = await startSloEvaluator({ bus, clock: systemClock, log, prometheus: { url: prometheus.url } })
  parts.defer(() => evaluator.stop())
  await delay(3_000) // so that the counters are known from before

  injectedMs = Date.now()
  const run = async (name: string, gate: object) => [name, await runOnCounters(bus, name, [gate], { holdMs, until: told => told === 'breached' })] as const
  const runs = new Map<string, CountedRun>(await Promise.all([
    ...names.map(name => run(name, gateOn(name, `${name}-control`))),
    run('alone', gateOn('noisy')),
    run('misspelt', gateOn('quiet', 'nobody')),
  ]))
  const judged = (name: string) => {
    const found = runs.get(name)
    const gate = found?.judgement.gates[0]
    assert.ok(gate?.sequential)
    t.diagnostic(`${name}: ${gate.verdict}: ${gate.evidence}`)
    return { ...gate, sequential: gate.sequential, isAborted: found?.facts.some(({ kind }) => kind === 'run.aborting'), injectedMs: found?.injectedMs ?? 0 }
  }

  await t.test('where neither pod has trouble it passes, on as many requests of either', () => {
    const { verdict, evidence, sequential, isAborted } = judged('quiet')
    assert.deepEqual([verdict, isAborted, sequential.bad, sequential.control?.bad], ['passed', false, 0, 0], evidence)
    assert.ok((sequential.control?.compared ?? 0) > 800, evidence)
  })
  await t.test('noise that comes to both pods aborts nothing, and without the control it does', () => {
    const { verdict, evidence, sequential, isAborted } = judged('noisy')
    assert.ok(verdict !== 'failed' && !isAborted, evidence)
    assert.ok(sequential.bad > 100 && (sequential.control?.bad ?? 0) > 100, evidence)
    const alone = judged('alone')
    assert.deepEqual([alone.verdict, alone.isAborted], ['failed', true], alone.evidence)
  })
  await t.test('trouble that comes to the one pod alone aborts, in the midst of that noise', () => {
    const { verdict, evidence, isAborted, breachedAtMs, injectedMs: fromMs } = judged('faulty')
    assert.deepEqual([verdict, isAborted], ['failed', true], evidence)
    const afterMs = (breachedAtMs ?? 0) - fromMs
    assert.ok(afterMs > 5_000 && afterMs < 12_500, `breached ${afterMs} ms after the injection`)
  })
  await t.test('a control without traffic, and one that Prometheus does not know, are inconclusive', () => {
    const [idle, misspelt] = [judged('idle'), judged('misspelt')]
    assert.deepEqual([idle.verdict, misspelt.verdict, idle.isAborted, misspelt.isAborted], ['inconclusive', 'inconclusive', false, false])
    assert.match(idle.evidence, /control: no request was counted/)
    assert.match(misspelt.evidence, /control: no series of pod_requests_total\{job="nobody"\} has a sample then/)
  })
})
