import type { FactData, FactType, StoredFact } from '#shared/events.ts'
import { parseFact } from '#shared/events.ts'

/** Writes the log of a run by hand: facts as the services would have written them, in stream order. */
export class LogBuilder {
  readonly facts: StoredFact[] = []
  readonly #sequences = new Map<string, number>()

  add<T extends FactType>(type: T, data: FactData<T>): this {
    const source = `/faultline/${sourceOf(type)}/1`
    const sequence = (this.#sequences.get(source) ?? 0) + 1
    this.#sequences.set(source, sequence)
    this.facts.push(parseFact({
      specversion: '1.0', id: `${source}/r1/${sequence}`, source, type: `dev.faultline.${type}`, subject: 'r1', time: '2026-01-01T00:00:00.000Z',
      datacontenttype: 'application/json', sequence, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, data,
    }, this.facts.length + 1))
    return this
  }
}

const sourceOf = (type: FactType) => type.startsWith('load') ? 'locust-bridge' : type.startsWith('fault') ? 'injector' : /^(slo|gate|run\.judged)/.test(type) ? 'slo-evaluator' : 'scheduler'

export const clock = 'boot-1'
export const t0 = 1_000_000
const target = { id: 'process:1:2', pid: 1, startTicks: 2, description: 'postgres' }

export const errorsGate = { name: 'errors', errorRate: { max: '10%' } }
export const promGate = { name: 'asked', source: 'prometheus', promql: { query: 'sum(rate(errors_total[5s]))', max: 1 } }

export function document({ gates = [errorsGate], load = true, fault = 'pause', calibration }: Pick<Story, 'gates' | 'load' | 'fault' | 'calibration'> = {}): unknown {
  const at = { at: '5s', target: { process: { match: 'postgres' } } }
  return {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'scripted' },
    ...(load && { load: { users: 10, host: 'http://127.0.0.1:8000' } }),
    ...(fault === 'none' ? { faults: [], hold: '10s' } : { faults: [fault === 'pause' ? { kind: 'pause', duration: '10s', ...at } : { kind: 'kill', ...at }] }),
    gates,
    ...(calibration && { calibration }),
    recovery: { within: '10s', stable: '3s' },
  }
}

export function sample(endMs: number, counts: Partial<FactData<'load.sample'>> = {}): FactData<'load.sample'> {
  return {
    worker: 'w1', index: Math.round((endMs - t0) / 200) + 1_000, startMs: endMs - 200, endMs, users: 10,
    ok: { 20: 10 }, failed: {}, inFlight: {}, inFlightTotal: 0, lateMs: 0, dropped: 0, clock, ...counts,
  }
}

export interface Story {
  gates?: object[]
  calibration?: object
  load?: boolean
  /** `none`: the hold takes the place of the fault. */
  fault?: 'pause' | 'kill' | 'none'
  /** Changes the sample that ends then; null leaves it out. */
  sampleAt?(atMs: number): Partial<FactData<'load.sample'>> | null
  /** The answer to the look at that time. */
  answerAt?(atMs: number): FactData<'slo.answer'>['answer'] & { lateMs?: number; counted?: true }
  injected?: Partial<FactData<'fault.injected'>> | null
  reverted?: Partial<FactData<'fault.reverted'>> | null
  abort?: Omit<FactData<'run.aborting'>, 'clock'>
  /** Facts right before the end of the hold. */
  also?(log: LogBuilder): void
  seal?: boolean
  history?: [number, number][]
}

/** Milliseconds from `t0`: steady at 0, injected at 5,000, reverted at 15,000, recovered within 30,000. */
export const injectedMs = t0 + 5_000
export const revertedMs = t0 + 15_000
const endMs = t0 + 30_000

/** A run as it goes when nothing is in the way, changed where the story says so. */
export function logOf(story: Story = {}): StoredFact[] {
  const { load = story.load ?? true, sampleAt = () => ({}), injected = {}, reverted = {}, abort, seal = true } = story
  const log = new LogBuilder().add('run.submitted', { experiment: document(story), experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
  if (load) log.add('load.state', { state: 'reached', users: 10, targetUsers: 10, atMs: t0 })
  log.add('run.phase', { phase: 'steady', atMs: t0 })
  const isFaultless = story.fault === 'none'
  const gone = abort ? abort.atMs + 100 : revertedMs
  const fault = { fault: story.fault === 'kill' ? '1-kill' : '1-pause', kind: story.fault ?? 'pause', node: 'n1', targets: [target], verified: true, readBack: [], clock }
  for (let atMs = t0; atMs <= endMs; atMs += 100) {
    if (atMs === injectedMs) {
      if (!isFaultless) log.add('run.phase', { phase: 'inject', atMs })
      if (injected && !isFaultless) log.add('fault.injected', { ...fault, requestedAtMs: atMs - 10, injectedAtMs: atMs, ...injected })
      log.add('run.phase', { phase: 'hold', atMs })
    }
    if (abort && atMs === abort.atMs) log.add('run.aborting', { ...abort, clock })
    if (atMs === gone) {
      story.also?.(log)
      if (!abort) log.add('run.phase', { phase: isFaultless ? 'end' : 'revert', atMs })
      if (reverted && story.fault !== 'kill' && !isFaultless) log.add('fault.reverted', { ...fault, cause: abort ? 'abort' : 'duration', revertedAtMs: atMs, ...reverted })
      if (!isFaultless) log.add('run.phase', { phase: 'recover', atMs })
      if (story.history) log.add('slo.history', { gate: 'asked', query: 'q', stepMs: 100, points: story.history })
    }
    if (load && atMs % 200 === 0) {
      const counts = sampleAt(atMs)
      if (counts) log.add('load.sample', sample(atMs, counts))
    }
    if (story.answerAt && (atMs - t0) % 1_000 === 0 && atMs > injectedMs) {
      const { lateMs = 20, counted, ...answer } = story.answerAt(atMs)
      log.add('slo.answer', { gate: 'asked', query: 'q', evaluatedAtMs: atMs, askedAtMs: atMs, answeredAtMs: atMs + lateMs, answer, ...(counted && { counted }) })
    }
    if (atMs % 500 === 0) log.add('slo.tick', { atMs })
  }
  if (seal) log.add('run.sealed', { atMs: endMs })
  return log.facts
}

/** While the fault holds, this; else nothing special. */
export const duringFault = (counts: Partial<FactData<'load.sample'>> | null, untilMs = revertedMs) => (atMs: number) => atMs > injectedMs && atMs <= untilMs ? counts : {}
