import { setTimeout as delay } from 'node:timers/promises'
import type { Bus, FactFilter, FactWriter, Followed, Following, Subscription, WriteOptions } from '#shared/bus.ts'
import { commands, signals, type Command, type CommandName, type SignalName } from '#shared/commands.ts'
import { CommandUnanswered, FactAlreadyWritten, FactNotStored, MessageInvalid, messageOf } from '#shared/errors.ts'
import { facts, type FactType, type StoredFact } from '#shared/events.ts'
import type { Chance } from './chance.ts'
import type { Ledger } from './ledger.ts'
import type { Machine } from './machine.ts'
import type { Nats } from './sim-nats.ts'
import type { Process } from './world.ts'

export interface SimBusOptions { nats: Nats; machine: Machine; process: Process; chance: Chance; ledger: Ledger }

const publishAnsweredMs = 2_000
const publishAgainMs = 50
const openAgainMs = 100

/**
 * The bus of bus-nats.ts for one process of the simulation: the same promises, kept over the simulated network. What it does not have is
 * signatures. It mirrors NatsBus where that is a protocol: one fact of a writer after another, the same id at each try, an answer within a time.
 */
export class SimBus implements Bus {
  readonly #at: SimBusOptions

  constructor(options: SimBusOptions) {
    this.#at = options
  }

  get connected(): boolean { return this.#at.nats.reaches(this.#at.machine) }

  /** One way, between this machine and the server. */
  #latencyMs(): number { return this.#at.chance.int(0, 3) }

  writer(service: string): FactWriter {
    const { machine, process, chance, ledger } = this.#at
    const source = `/faultline/${service}/${chance.int(0, 0x7fff_ffff).toString(16).padStart(8, '0')}`
    const counters = new Map<string, number>()
    let last: Promise<unknown> = Promise.resolve()
    return {
      write: (run, type, data, { deadlineMs = 10_000, once = false } = {}) => {
        const checked = facts[type].data.safeParse(data)
        if (!checked.success) return Promise.reject(new MessageInvalid(`a ${type} of run ${run} is not as the catalogue says: ${checked.error.message}`))
        const sequence = (counters.get(run) ?? 0) + 1
        counters.set(run, sequence)
        const fact = {
          specversion: '1.0', id: `${source}/${run}/${sequence}`, source, type: `dev.faultline.${type}`, subject: run,
          time: new Date(machine.wallMs()).toISOString(), datacontenttype: 'application/json', sequence, traceparent: noTrace, data: checked.data,
        }
        const written = last.then(() => this.#store({ kind: type, fact } as StoredFact, { deadlineMs, once }))
        last = written.catch(() => undefined)
        return written.then(place => {
          ledger.acknowledged(fact.id, place, process)
          return place
        })
      },
    }
  }

  async #store(stored: StoredFact, { deadlineMs, once }: Required<WriteOptions>): Promise<number> {
    const { machine } = this.#at
    const givenUpAtMs = machine.monotonicMs() + deadlineMs
    for (;;) {
      try {
        return await this.#publish(stored, once)
      } catch (cause) {
        if (cause instanceof FactAlreadyWritten) throw cause
        if (machine.monotonicMs() >= givenUpAtMs) throw new FactNotStored(`the fact ${stored.fact.id} could not be stored within ${deadlineMs} ms: ${messageOf(cause)}`, { cause })
        await delay(publishAgainMs)
      }
    }
  }

  #publish(stored: StoredFact, once: boolean): Promise<number> {
    const { nats, machine, process } = this.#at
    const { world } = machine
    process.step(`publish ${stored.kind}`)
    return new Promise((resolve, reject) => {
      const late = world.after(publishAnsweredMs, process, () => reject(new Error('TIMEOUT')))
      process.leave(() => world.after(this.#latencyMs(), undefined, () => {
        if (!nats.reaches(machine)) return
        const place = nats.store(stored, { once })
        if (nats.weather.losesAck()) return
        world.after(this.#latencyMs(), undefined, () => {
          if (nats.reaches(machine)) world.after(0, process, () => {
            late.isOff = true
            if (place === 'refused') reject(new FactAlreadyWritten(`a ${stored.kind} of ${stored.fact.subject} is on record already`))
            else resolve(place)
          })
        })
      }))
    })
  }

  follow(filter: FactFilter): Following {
    return new SimFollowing(this.#at, filter)
  }

  request<C extends CommandName>(name: C, to: string, command: Parameters<Bus['request']>[2], { timeoutMs }: { timeoutMs: number }): Promise<never> {
    const { nats, machine, process, ledger } = this.#at
    const { world } = machine
    const checked = commands[name].data.safeParse(command)
    if (!checked.success) return Promise.reject(new MessageInvalid(`the command ${name} is not as the catalogue says: ${checked.error.message}`))
    try {
      process.step(`ask ${to} to ${name}`)
    } catch (error) {
      return Promise.reject(error)
    }
    ledger.sent(checked.data, process, world.nowMs)
    if (name === 'inject') ledger.ordered(to, checked.data as Command<'inject'>, machine)
    return new Promise((resolve, reject) => {
      const unanswered = (why: string) => reject(new CommandUnanswered(`${to} did not answer ${name} within ${timeoutMs} ms: ${why}`))
      const late = world.after(timeoutMs, process, () => unanswered('TIMEOUT'))
      const back = (happens: () => void) => world.after(this.#latencyMs(), undefined, () => {
        if (nats.reaches(machine)) world.after(0, process, () => { late.isOff = true; happens() })
      })
      const arrive = (): void => {
        if (!nats.reaches(machine)) return
        const responder = [...nats.listeners].find(listener => listener.name === name && listener.to === to)
        if (!responder) return void back(() => unanswered('nobody listens'))
        if (!nats.reaches(responder.machine)) return
        const respond = (reply: unknown) => {
          responder.process.step(`answer ${name}`)
          responder.process.leave(() => { if (nats.reaches(responder.machine) && !nats.weather.losesAnswer()) back(() => resolve(reply as never)) })
        }
        world.after(0, responder.process, () => {
          ledger.delivered(name, checked.data, responder.machine)
          const answer = responder.handler(structuredClone(checked.data) as never, to) as Promise<unknown>
          answer.then(respond, (error: unknown) => respond({ outcome: 'refused', why: messageOf(error) })).catch(() => undefined) // who died here answers nobody
        })
      }
      process.leave(() => { for (const delayMs of nats.weather.command()) world.after(this.#latencyMs() + delayMs, undefined, arrive) })
    })
  }

  answer(name: CommandName, to: string, handler: (command: never) => Promise<unknown>): Subscription {
    return this.#listen({ name, to, handler })
  }

  signal<S extends SignalName>(name: S, to: string, signal: unknown): void {
    const { nats, machine, process, ledger } = this.#at
    const payload = signals[name].data.parse(signal)
    process.step(`signal ${name}`)
    ledger.sent(payload, process, machine.world.nowMs)
    process.leave(() => machine.world.after(this.#latencyMs(), undefined, () => {
      if (!nats.reaches(machine)) return
      for (const listener of nats.listeners) {
        if (listener.name !== name || (listener.to !== '*' && listener.to !== to)) continue
        for (const delayMs of nats.weather.signal()) {
          machine.world.after(this.#latencyMs() + delayMs, undefined, () => {
            if (!nats.reaches(listener.machine)) return
            machine.world.after(0, listener.process, () => {
              ledger.delivered(name, payload, listener.machine)
              listener.handler(payload as never, to)
            })
          })
        }
      }
    }))
  }

  onSignal(name: SignalName, to: string, handler: (signal: never, to: string) => void): Subscription {
    return this.#listen({ name, to, handler })
  }

  #listen(what: { name: string; to: string; handler: (payload: never, to: string) => unknown }): Subscription {
    const { nats, machine, process } = this.#at
    const listener = { ...what, machine, process }
    nats.listeners.add(listener)
    const stop = () => void nats.listeners.delete(listener)
    process.onEnd(stop)
    return { stop }
  }

  /** Whoever listens is found at once. */
  async settled(): Promise<void> {}

  async close(): Promise<void> {}
}

/** An ordered consumer: every fact that fits, once, in the stream's order; after a cut it goes on where it was. */
class SimFollowing implements Following {
  readonly #at: SimBusOptions
  readonly #fits: (stored: StoredFact) => boolean
  readonly #came: Followed[] = []
  #next = 0
  #historyEnd: number | undefined
  #isStopped = false
  #wake: (() => void) | undefined

  constructor(options: SimBusOptions, { run, types }: FactFilter) {
    this.#at = options
    const wanted = types && new Set<FactType>(types)
    this.#fits = ({ kind, fact }) => (run === undefined || fact.subject === run) && (wanted?.has(kind) ?? true)
    this.#open()
  }

  #open(): void {
    const { nats, machine } = this.#at
    machine.world.after(this.#at.chance.int(1, 5), undefined, () => {
      if (!nats.reaches(machine)) return this.#open()
      this.#historyEnd = nats.facts.findLastIndex(this.#fits) + 1
      if (this.#historyEnd === 0) machine.world.after(0, this.#at.process, () => this.#push({ is: 'caught-up' }))
      this.#goOn()
    })
  }

  #goOn(): void {
    const { nats, machine, process, chance } = this.#at
    if (this.#isStopped || process.is === 'dead') return
    let stored = nats.facts[this.#next]
    while (stored && !this.#fits(stored)) stored = nats.facts[++this.#next]
    if (!stored) return void nats.waiting.add(() => this.#goOn())
    if (!nats.reaches(machine) || nats.weather.stalls(machine)) return void machine.world.after(openAgainMs, undefined, () => this.#goOn())
    const fact = stored
    this.#next += 1
    machine.world.after(chance.int(0, 2), process, () => {
      this.#push({ is: 'fact', stored: fact })
      if (this.#next === this.#historyEnd) this.#push({ is: 'caught-up' })
      this.#goOn()
    })
  }

  #push(followed: Followed): void {
    if (this.#isStopped) return
    this.#came.push(followed)
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Followed> {
    for (;;) {
      const followed = this.#came.shift()
      if (followed) yield followed
      else if (this.#isStopped) return
      else await new Promise<void>(resolve => { this.#wake = resolve })
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake?.()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

const noTrace = `00-${'0'.repeat(31)}1-${'0'.repeat(15)}1-01`
