import type { LoadSpec } from '#shared/experiment.ts'
import type { Generators, GeneratorsOptions } from '../../services/locust-bridge/generator.ts'
import type { LoadSample } from '../../services/locust-bridge/load-sample.ts'
import type { Answer, Prometheus } from '#shared/prometheus.ts'
import type { Chance } from './chance.ts'
import { beginMs, type Machine } from './machine.ts'
import type { Subject } from './subject.ts'
import type { Process } from './world.ts'

/** A sample is of so much time. */
export const sampleMs = 200
const requestsPerSample = 20
const workers = ['w1', 'w2']

/**
 * A Locust that is there already: two workers that count what the subject under test does to their requests, and post it to whichever bridge listens. It
 * outlives bridges; what it cannot post is dropped, and counted as such.
 */
export class SimLocust {
  /** Posts nothing now. */
  isSilent = false
  onSilence: (() => void) | undefined
  requests = 0
  /** Of each sample that came to a bridge: the middle of its time, and what share had failed. */
  readonly posted: { atMs: number; share: number }[] = []
  readonly #machine: Machine
  readonly #subject: Subject
  readonly #chance: Chance
  readonly #machines: readonly Machine[]
  #bridge: { process: Process; take: (sample: LoadSample) => void } | undefined
  #swarm: { users: number; isOver: boolean } | undefined
  #index = 0
  readonly #dropped = new Map<string, number>()

  constructor(machine: Machine, subject: Subject, chance: Chance, machines: readonly Machine[]) {
    this.#machine = machine
    this.#subject = subject
    this.#chance = chance
    this.#machines = machines
    machine.world.after(sampleMs, undefined, () => this.#sample())
  }

  listen(process: Process, take: (sample: LoadSample) => void): void {
    this.#bridge = { process, take }
  }

  /** What the bridge does to it, in place of HTTP. */
  generators(process: Process, { keep, tell }: GeneratorsOptions): Generators {
    const { world } = this.#machine
    const soon = (happens: () => void, fromMs = 5, toMs = 80) => void world.after(this.#chance.int(fromMs, toMs), process, happens)
    return {
      bring: (run: string, _load: LoadSpec) => soon(() => tell({ is: 'there', run }), 50, 600),
      swarm: run => soon(() => {
        this.#swarm = { users: 10, isOver: false }
        tell({ is: 'swarmed', run })
      }),
      askStop: run => soon(() => {
        if (this.#swarm) this.#swarm.isOver = true
        tell({ is: 'stop-answered', run })
      }),
      keepStats: run => soon(() => void keep(run, { state: 'stopped', user_count: 0, stats: [] }).catch(() => undefined).finally(() => tell({ is: 'kept', run }))),
      end: () => { this.#swarm = undefined },
      stopLeft: () => { this.#swarm = undefined },
      poll: run => soon(() => tell({ is: 'polled', run, locust: this.#swarm && !this.#swarm.isOver ? 'running' : 'stopped' })),
      close: () => Promise.resolve(),
    }
  }

  #sample(): void {
    this.#machine.world.after(sampleMs, undefined, () => this.#sample())
    if (!this.#swarm) return
    const users = this.#swarm.isOver ? 0 : this.#swarm.users / workers.length
    const failed = Math.round(this.#subject.failing(this.#machines) * requestsPerSample)
    this.#index += 1
    this.requests += users > 0 ? requestsPerSample : 0
    const endMs = this.#machine.wallMs()
    const arePosted = workers.map(worker => this.#post({
      version: 1, worker, index: this.#index, bootId: this.#machine.bootId, startMs: endMs - sampleMs, endMs, users, inFlight: {}, inFlightTotal: 0, lateMs: 0,
      dropped: this.#dropped.get(worker) ?? 0,
      ok: users > 0 && failed < requestsPerSample ? { 20: requestsPerSample - failed } : {},
      failed: users > 0 && failed > 0 ? { 20: failed } : {},
    }))
    if (arePosted.every(Boolean)) this.posted.push({ atMs: this.#machine.world.nowMs - sampleMs / 2, share: failed / requestsPerSample })
  }

  #post(sample: LoadSample): boolean {
    const bridge = this.#bridge
    if (!bridge || bridge.process.is === 'dead' || this.isSilent) {
      if (this.isSilent) this.onSilence?.()
      this.#dropped.set(sample.worker, (this.#dropped.get(sample.worker) ?? 0) + 1)
      return false
    }
    this.#dropped.delete(sample.worker)
    this.#machine.world.after(this.#chance.int(1, 20), bridge.process, () => bridge.take(sample))
    return true
  }
}

/** Prometheus, whose clock is right: it knows how the subject was at each moment that it has scraped. */
export class SimPrometheus {
  isAway = false
  onAway: (() => void) | undefined
  /** Dates of looks that it has given a value for. */
  readonly told = new Set<number>()
  readonly #seen: { atMs: number; share: number; requests: number; failed: number }[] = []
  readonly #machine: Machine
  readonly #chance: Chance

  constructor(machine: Machine, subject: Subject, chance: Chance, machines: readonly Machine[]) {
    this.#machine = machine
    this.#chance = chance
    const scrape = () => {
      const share = subject.failing(machines)
      const { requests, failed } = this.#seen.at(-1) ?? { requests: 0, failed: 0 }
      this.#seen.push({ atMs: machine.world.nowMs, share, requests: requests + requestsPerSample, failed: failed + Math.round(share * requestsPerSample) })
      machine.world.after(500, undefined, scrape)
    }
    machine.world.after(500, undefined, scrape)
  }

  /** How long an answer takes, and whether none comes. */
  async #isGone(): Promise<boolean> {
    await this.#machine.world.pass(this.#chance.int(2, 60))
    if (!this.isAway) return false
    this.onAway?.()
    await this.#machine.world.pass(2_000)
    return true
  }

  connect(): Prometheus {
    const noAnswer = { is: 'no-data', why: 'no answer within 2 s' } as const
    return {
      ask: async (_query, evaluatedAtMs, { freshForMs }): Promise<Answer> => {
        if (await this.#isGone()) return noAnswer
        const atMs = evaluatedAtMs - beginMs
        const found = this.#seen.findLast(seen => seen.atMs <= atMs)
        if (!found || found.atMs <= atMs - freshForMs) return { is: 'no-data', why: 'no sample' }
        this.told.add(atMs)
        return { is: 'value', value: found.share }
      },
      samples: async (query, evaluatedAtMs) => {
        if (await this.#isGone()) return noAnswer
        const [, name = '', rangeMs = '0'] = /^(\w+)\[(\d+)ms\]$/.exec(query) ?? []
        const inRange = this.#seen.filter(({ atMs }) => atMs + beginMs <= evaluatedAtMs && atMs + beginMs > evaluatedAtMs - Number(rangeMs))
        const samples = inRange.map(({ atMs, requests, failed }): [number, number] => [atMs + beginMs, name === 'failed_total' ? failed : requests])
        return { is: 'samples', series: [{ labels: { __name__: name, job: 'subject' }, samples, histograms: [] }] }
      },
      knowsMetric: async name => await this.#isGone() ? noAnswer : { is: name === 'requests_total' || name === 'failed_total' ? 'known' : 'unknown' },
      history: async (_query, startMs, endMs) => {
        await this.#machine.world.pass(this.#chance.int(2, 60))
        if (this.isAway) throw new Error('Prometheus does not answer')
        return this.#seen.flatMap(({ atMs, share }): [number, number][] => atMs + beginMs >= startMs && atMs + beginMs <= endMs ? [[atMs + beginMs, share]] : [])
      },
      close: () => undefined,
    }
  }
}
