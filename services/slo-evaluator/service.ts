import type { Logger } from 'pino'
import { Gauge, Histogram, type Registry } from 'prom-client'
import type { Bus, Following } from '#shared/bus.ts'
import { clockId, type Clock } from '#shared/clock.ts'
import { beginChain, extendChain, signRecord, type Chain } from '#shared/decision-record.ts'
import { FactAlreadyWritten, FactNotStored, messageOf } from '#shared/errors.ts'
import type { FactData, FactType, StoredFact } from '#shared/events.ts'
import type { GateState } from '#shared/gate-core.ts'
import { runFields } from '#shared/log.ts'
import { counterQueries } from '#shared/counter-series.ts'
import { connectPrometheus, type Answer, type Prometheus, type PrometheusOptions } from '#shared/prometheus.ts'
import type { Signer } from '#shared/signing-key.ts'
import { toUnicode } from '#shared/unicode.ts'
import { judge } from '#shared/verdict.ts'
import { askedOnce } from './asked-once.ts'
import { begin, leastOf, step, type Effect, type EvaluatorState, type Input } from './core.ts'
import { countersAnswer } from './counters-answer.ts'

export interface SloEvaluatorOptions {
  bus: Bus
  clock: Clock
  log: Logger
  /** Without it every Prometheus gate has no data, which never passes. */
  prometheus?: PrometheusOptions
  /** The simulation reaches its Prometheus in another way. */
  connect?: (options: PrometheusOptions) => Prometheus
  /** Who signs now: verdicts, with the record that they stand on. Without it they are written unsigned. */
  signer?: () => Signer
  metrics?: Registry
}

/** The facts of a run so far, and their chain for the record. */
interface Known { facts: StoredFact[]; chain: Chain }

const timerMs = 100

async function valueOf(prometheus: Prometheus, { query, ranges, freshForMs, evaluatedAtMs }: Effect & { effect: 'ask' }): Promise<Answer> {
  const ask = (expression: string) => prometheus.ask(expression, evaluatedAtMs, { freshForMs })
  return ranges ? leastOf(ranges, await Promise.all(ranges.map(range => ask(range.query)))) : await ask(query)
}

/** Starts the evaluator: it takes up every run of the stream that is not judged yet, and each new one. */
export async function startSloEvaluator({ bus, clock, log, prometheus: options, connect = connectPrometheus, signer, metrics }: SloEvaluatorOptions): Promise<{ stop(): Promise<void> }> {
  const writer = bus.writer('slo-evaluator')
  const prometheus = options && askedOnce(connect(options))
  const watched = new Map<string, () => GateState>()
  const shown = metrics && showMetrics(metrics, watched)
  const runs = new Map<string, { facts: Following; done: Promise<void> }>()
  const pending = new Set<Promise<void>>()
  let isStopping = false

  /** `stop` waits for whatever is begun here. A failure is logged; the run's log then has a gap or a look without data, so that it cannot pass. */
  const background = (run: string, what: string, work: Promise<unknown>) => {
    const tracked: Promise<void> = work.then(() => undefined, (error: unknown) => {
      if (!isStopping) log.error({ ...runFields(run), why: messageOf(error) }, `${what} failed`)
    }).finally(() => pending.delete(tracked))
    pending.add(tracked)
  }
  const write = <T extends FactType>(run: string, type: T, data: FactData<T>) => background(run, `writing ${type}`, writer.write(run, type, data))

  async function answer(run: string, effect: Effect & { effect: 'ask' | 'count' }): Promise<void> {
    const { gate, evaluatedAtMs } = effect
    const askedAtMs = clock.nowMs()
    const startedMs = clock.monotonicMs()
    const query = effect.effect === 'ask' ? effect.query : [effect.counters, effect.control ?? []].flat().flatMap(rule => counterQueries(rule, evaluatedAtMs - effect.wanted.fromMs)).join('\n')
    const found = !prometheus ? { is: 'no-data' as const, why: 'no Prometheus is configured; set prometheus.url' }
      : effect.effect === 'ask' ? await valueOf(prometheus, effect) : await countersAnswer(prometheus, effect)
    shown?.queries.observe({ outcome: found.is }, (clock.monotonicMs() - startedMs) / 1_000)
    if (isStopping) return
    const counted = effect.effect === 'count' && { counted: true as const }
    await writer.write(run, 'slo.answer', { gate, query, evaluatedAtMs, askedAtMs, answeredAtMs: clock.nowMs(), clock: clockId, answer: found, ...counted })
  }

  async function history(run: string, { gate, query, startMs, endMs, stepMs }: Effect & { effect: 'history' }): Promise<void> {
    if (!prometheus) return
    await writer.write(run, 'slo.history', { gate, query, stepMs, points: await prometheus.history(query, startMs, endMs, stepMs) })
  }

  /**
   * The one fact that everybody waits for, so it is tried until it is stored. A stop gives up, and leaves it to the next start. Of two evaluators that
   * judge the same run the first counts: the stream takes one verdict a run.
   */
  async function writeVerdict(run: string, { facts, chain }: Known): Promise<void> {
    const { verdict, reasons, revertUnconfirmed } = judge(facts)
    const judged = toUnicode({ verdict, reasons, revertUnconfirmed }) // as it will be stored
    log.info({ ...runFields(run), verdict, reasons }, 'judged')
    for (;;) {
      try {
        return void await writer.write(run, 'run.judged', { ...judged, ...(signer && { record: signRecord(run, judged, chain, signer()) }) }, { once: true })
      } catch (error) {
        if (error instanceof FactAlreadyWritten) return log.info(runFields(run), 'another evaluator has judged it first')
        if (!(error instanceof FactNotStored) || isStopping) throw error
      }
    }
  }

  function perform(run: string, effect: Effect, known: Known): void {
    switch (effect.effect) {
      case 'tick': return write(run, 'slo.tick', { ...effect.data, clock: clockId })
      case 'closed': return write(run, 'gate.closed', { ...effect.data, clock: clockId })
      case 'status': {
        const { gate, phase, status, evidence } = effect.data
        log.info({ ...runFields(run), gate, phase, status, evidence }, 'gate')
        return write(run, 'gate.status', { ...effect.data, clock: clockId })
      }
      case 'ask': case 'count': return background(run, 'asking Prometheus', answer(run, effect))
      case 'history': return background(run, 'asking Prometheus for the history', history(run, effect))
      case 'judge': return background(run, 'writing run.judged', writeVerdict(run, { ...known, facts: [...known.facts] }))
    }
  }

  /** One run from its first fact to its verdict. */
  async function evaluate(run: string, following: Following): Promise<void> {
    const known: Known = { facts: [], chain: beginChain(run) }
    let state: EvaluatorState = begin(run)
    watched.set(run, () => state.gates)
    const advance = (input: Input) => {
      const next = step(state, input, clock.nowMs())
      state = next.state
      for (const effect of next.effects) perform(run, effect, known)
    }
    const timer = setInterval(() => advance({ is: 'tick' }), timerMs)
    try {
      for await (const followed of following) {
        if (followed.is === 'invalid') {
          log.error({ ...runFields(run), stream: followed.stream, why: followed.why }, 'a fact is not in the catalogue')
          continue
        }
        if (followed.is === 'fact') {
          known.facts.push(followed.stored)
          if (signer) known.chain = extendChain(known.chain, followed.stored)
        }
        advance(followed)
        if (followed.is === 'fact' && followed.stored.kind === 'run.judged') break
      }
    } finally {
      clearInterval(timer)
      watched.delete(run)
      runs.delete(run)
      await following.stop()
    }
  }

  function takeUp(run: string): void {
    if (runs.has(run) || isStopping) return
    const facts = bus.follow({ run })
    const done = evaluate(run, facts).catch((error: unknown) => log.error({ ...runFields(run), why: messageOf(error) }, 'evaluating ended'))
    runs.set(run, { facts, done })
  }

  const starts = bus.follow({ types: ['run.submitted', 'run.judged'] })
  const caughtUp = Promise.withResolvers<void>()
  const watching = (async () => {
    const unjudged = new Set<string>()
    let isLive = false
    for await (const followed of starts) {
      if (followed.is === 'caught-up') {
        isLive = true
        for (const run of unjudged) takeUp(run)
        caughtUp.resolve()
      }
      if (followed.is !== 'fact') continue
      const { kind, fact: { subject: run } } = followed.stored
      if (kind === 'run.judged') unjudged.delete(run)
      else if (isLive) takeUp(run)
      else unjudged.add(run)
    }
  })()
  watching.catch((error: unknown) => {
    caughtUp.reject(error)
    log.error({ why: messageOf(error) }, 'following runs ended')
  })
  await caughtUp.promise

  return {
    async stop() {
      isStopping = true
      prometheus?.close()
      await starts.stop()
      await Promise.all([...runs.values()].map(({ facts }) => facts.stop()))
      await Promise.all([...runs.values()].map(({ done }) => done))
      await Promise.all(pending)
      await watching.catch(() => undefined)
    },
  }
}

/** `watched`: the gates of each run that is being evaluated. */
function showMetrics(metrics: Registry, watched: ReadonlyMap<string, () => GateState>) {
  new Gauge({
    name: 'faultline_gate_value', help: 'What the latest look at a gate measured, in the unit of its limit; none while the look had no data', labelNames: ['run', 'gate', 'phase'], registers: [metrics],
    collect() {
      this.reset()
      for (const [run, gatesOf] of watched) {
        const { watches, recovery } = gatesOf()
        for (const { gate, phase, end, looks } of [...watches, ...recovery]) {
          const measurement = end ? undefined : looks.at(-1)?.measurement
          if (measurement?.is === 'measured') this.set({ run, gate: gate.name, phase }, measurement.value)
        }
      }
    },
  })
  return {
    queries: new Histogram({
      name: 'faultline_prometheus_query_duration_seconds', help: 'Time Prometheus took to answer a look', labelNames: ['outcome'],
      buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5], registers: [metrics],
    }),
  }
}
