import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { StoredFact } from '#shared/events.ts'
import { connectPrometheus } from '#shared/prometheus.ts'
import { judge, type Judgement } from '#shared/verdict.ts'
import { startNats } from '../parts/nats.ts'
import { startPrometheus } from '../parts/prometheus.ts'
import { startServices, type TestServices } from '../parts/services.ts'
import { until } from '../parts/until.ts'
import { startWorker } from '../parts/worker.ts'

/**
 * Gates on SLOs, by the real services, with a real Prometheus that scrapes the counters of an endpoint here. The fault is a worker's pause, to which the endpoint answers
 * as a service would: with errors or without.
 */
const parts = new AsyncDisposableStack()
let services: TestServices
let prometheusUrl = ''

/** A hundred requests a second since its start, of which the share that is bad now is counted as bad. */
const traffic = { total: 0, bad: 0, share: 0, depth: 3, sinceMs: Date.now() }
/** `atMs`: since when it is another share; of the past, when this process hears of it late. */
function passes(share = traffic.share, atMs = Date.now()): void {
  const nowMs = Math.max(traffic.sinceMs, atMs)
  const requests = (nowMs - traffic.sinceMs) / 10
  Object.assign(traffic, { total: traffic.total + requests, bad: traffic.bad + requests * traffic.share, share, sinceMs: nowMs })
}

before(async () => {
  const stateFolder = mkdtempSync(join(tmpdir(), 'slo-gates-'))
  parts.defer(() => rmSync(stateFolder, { recursive: true, force: true }))
  const endpoint = createServer((_, response) => {
    passes()
    response.end(`# TYPE http_requests_total counter\nhttp_requests_total{code="200"} ${traffic.total - traffic.bad}\nhttp_requests_total{code="500"} ${traffic.bad}\n# TYPE depth gauge\ndepth ${traffic.depth}\n`)
  })
  endpoint.listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  parts.defer(async () => {
    endpoint.closeAllConnections()
    endpoint.close()
    await once(endpoint, 'close')
  })
  const worker = parts.use(await startWorker())
  const nats = parts.use(await startNats())
  const prometheus = parts.use(await startPrometheus([{ job: 'endpoint', address: `127.0.0.1:${(endpoint.address() as AddressInfo).port}` }]))
  prometheusUrl = prometheus.url
  services = parts.use(await startServices({ login: () => nats, stateFolder, prometheusUrl, parent: worker.pid }))
})
after(() => parts.disposeAsync())

const from = (query: string) => ({ metricSource: { type: 'Prometheus', spec: { query } } })
const slo = (name: string, spec: object, objective: object, budgetingMethod = 'Occurrences') => ({ apiVersion: 'openslo/v1', kind: 'SLO', metadata: { name }, spec: { budgetingMethod, indicator: { spec }, objectives: [objective] } })
const documents = [
  slo('answers', { ratioMetric: { counter: true, good: from('sum(rate(http_requests_total{code!~"5.."}[5m]))'), total: from('sum(rate(http_requests_total[5m]))') } }, { target: 0.99 }),
  slo('queue', { thresholdMetric: from('sum(depth)') }, { op: 'lt', value: 4, target: 0.9 }),
  slo('slices', { ratioMetric: { counter: true, bad: from('http_requests_total{code=~"5.."}'), total: from('http_requests_total') } }, { target: 0.9, timeSliceTarget: 0.95, timeSliceWindow: 0.05 }, 'Timeslices'),
]
const burnRate = { slo: 'answers', max: 10, long: '6s', short: '3s' }
const slicesBurn = { name: 'slices-budget', burnRate: { slo: 'slices', max: 5, long: '6s', short: '3s' } }
const queueBurn = { name: 'queue-budget', burnRate: { slo: 'queue', max: 5, long: '6s', short: '3s', step: '3s' } }

/** A run whose service answers with this share of errors before the pause, and with that one from its injection on, until it is over. */
async function judged({ earlier, inFault, depth = 3 }: { earlier: number; inFault: number; depth?: number }, gates: object[]): Promise<{ facts: StoredFact[]; judgement: Judgement }> {
  passes(earlier)
  const prometheus = connectPrometheus({ url: prometheusUrl })
  await until('Prometheus sees what was before', async () => {
    const answer = await prometheus.ask('sum(rate(http_requests_total{code="500"}[4s])) / sum(rate(http_requests_total[4s]))', Date.now(), { freshForMs: 5_000 })
    return answer.is === 'value' && Math.abs(answer.value - earlier) < 0.02
  }, 30_000, { lookMs: 200 })
  const run = await services.submit({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'slo-gates' },
    faults: [{ kind: 'pause', target: { process: { match: 'faultline-test-worker' } }, at: '1s', duration: '12s' }],
    slos: [{ file: 'slos/endpoint.yaml', documents }],
    gates, recovery: { within: '20s', stable: '1s' },
  })
  const facts = await services.facts(run, stored => {
    if (stored.kind === 'fault.injected') {
      passes(inFault, stored.fact.data.injectedAtMs)
      traffic.depth = depth
    }
    if (stored.kind !== 'fault.reverted') return
    passes(0)
    traffic.depth = 3
  })
  return { facts, judgement: judge(facts) }
}
const injectedAtMs = (facts: readonly StoredFact[]) => facts.flatMap(stored => stored.kind === 'fault.injected' ? [stored.fact.data.injectedAtMs] : [])[0] ?? assert.fail('it was injected')
const answersOf = (facts: readonly StoredFact[], gate: string) => facts.flatMap(stored => stored.kind === 'slo.answer' && stored.fact.data.gate === gate ? [stored.fact.data] : []).sort((a, b) => a.evaluatedAtMs - b.evaluatedAtMs)

test('a budget that burns in both windows fails the run, which is aborted; the record has both burns, and one expression for the lesser', async () => {
  const { facts, judgement: { verdict, reasons, faults: [fault], gates: [gate] } } = await judged({ earlier: 0, inFault: 0.2 }, [{ name: 'budget', burnRate }])
  assert.equal(verdict, 'failed', reasons.join('; '))
  assert.deepEqual([fault?.cause, fault?.verified], ['abort', true])
  assert.match(gate?.evidence ?? '', /^at most 10x the budget of answers \(1 % bad\), over 6s and 3s at once: broken in 2 looks in a row, \d+ ms into the phase; the last of them burns [12]\d[\d.]*x its budget over 6s and [12]\d[\d.]*x over 3s/)
  const breach = gate?.breachedAtMs ?? assert.fail('the breach is dated')
  assert.ok(breach >= injectedAtMs(facts) + 6_000, 'a window that reached back to before the fault was looked at')
  const [asked] = answersOf(facts, 'budget')
  assert.ok(asked?.answer.is === 'value')
  assert.deepEqual(asked.answer.over?.map(({ windowMs }) => windowMs), [6_000, 3_000])
  assert.equal(asked.evaluatedAtMs, injectedAtMs(facts) + 7_000)
  const again = await connectPrometheus({ url: prometheusUrl }).ask(asked.query, asked.evaluatedAtMs, { freshForMs: 5_000 })
  assert.ok(again.is === 'value' && Math.abs(again.value - asked.answer.value) < 1e-9, JSON.stringify(again))
})

test('a healthy service passes on all of its SLOs, though it was ill until the fault: no window reaches back to that', async () => {
  const gates = [{ name: 'budget', burnRate }, { name: 'queue', slo: { name: 'queue' } }, { name: 'answers-again', phase: 'recovery', slo: { name: 'answers' } }, slicesBurn, queueBurn]
  const { facts, judgement: { verdict, reasons } } = await judged({ earlier: 0.5, inFault: 0 }, gates)
  assert.equal(verdict, 'passed', reasons.join('; '))
  const burns = answersOf(facts, 'budget').map(({ answer }) => answer.is === 'value' ? answer.value : NaN)
  assert.ok(burns.length >= 4 && burns.every(burn => burn === 0), burns.join(', '))
  const firstLooks = [slicesBurn, queueBurn].map(({ name }) => (answersOf(facts, name)[0]?.evaluatedAtMs ?? NaN) - injectedAtMs(facts))
  assert.deepEqual(firstLooks, [10_000, 10_000], 'the slice or the step before the long window was there before the fault, or was waited for too long')
})

test('slices of time that are bad, and values that are, burn a budget of theirs, each in a run that fails by it', async () => {
  const evidenceOf = async (gate: object) => {
    const { judgement: { verdict, reasons, gates: [held] } } = await judged({ earlier: 0, inFault: 0.2, depth: 4 }, [gate])
    assert.equal(verdict, 'failed', reasons.join('; '))
    return held?.evidence ?? ''
  }
  const burning = /broken in 2 looks in a row, \d+ ms into the phase; the last of them burns 10x its budget over 6s and 10x over 3s; /
  const [bySlices, byValues] = [await evidenceOf(slicesBurn), await evidenceOf(queueBurn)]
  assert.match(bySlices, burning)
  assert.match(bySlices, /^at most 5x the budget of slices \(10 % bad slices of 3s\), over 6s and 3s at once: /)
  assert.match(byValues, burning)
  assert.match(byValues, /^at most 5x the budget of queue \(10 % of the values, one each 3s, not below 4\), over 6s and 3s at once: /)
})

test('with straddle: true what was before the fault is in its windows, and fails the run', async () => {
  const { facts, judgement: { verdict, reasons } } = await judged({ earlier: 0.5, inFault: 0 }, [{ name: 'budget', consecutive: 1, burnRate: { ...burnRate, straddle: true } }])
  assert.equal(verdict, 'failed', reasons.join('; '))
  assert.equal(answersOf(facts, 'budget')[0]?.evaluatedAtMs, injectedAtMs(facts) + 1_000)
})

test('a value that reaches a threshold below which it must stay fails the run', async () => {
  const { judgement: { verdict, reasons, gates: [gate] } } = await judged({ earlier: 0, inFault: 0, depth: 4 }, [{ name: 'queue', slo: { name: 'queue' } }])
  assert.equal(verdict, 'failed', reasons.join('; '))
  assert.match(gate?.evidence ?? '', /^below 4 for queue: broken in 2 looks in a row, \d+ ms into the phase; the last of them 4; /)
})
