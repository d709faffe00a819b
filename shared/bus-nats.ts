import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ErrorCode, nanos, NatsError, RetentionPolicy, StorageType, StringCodec } from 'nats'
import type { ConsumerMessages, JetStreamClient, JetStreamManager, NatsConnection } from 'nats'
import type { Logger } from 'pino'
import type { Bus, FactFilter, FactWriter, Followed, Following, Subscription } from '#shared/bus.ts'
import { hear, newStamp, stampSchema, type HeardCommands } from '#shared/command-stamp.ts'
import { commands, commandSubject, signals, signalSubject, type CommandName, type SignalName } from '#shared/commands.ts'
import { CommandUnanswered, MessageInvalid, messageOf, MessageTooLarge, NatsUnreachable } from '#shared/errors.ts'
import { facts, factStreams, factSubject, streamOf, type FactStream } from '#shared/events.ts'
import { openFactStore, type FactStore } from '#shared/fact-store.ts'
import { connectNats } from '#shared/nats-connection.ts'
import type { NatsLogin } from '#shared/nats-login.ts'
import { withoutLogin } from '#shared/redaction.ts'
import { newSigningKey, signerOf, verifierOf, type Signer, type Verify } from '#shared/signing-key.ts'
import { parseMessage, readStored } from '#shared/stored-message.ts'
import { toUnicode } from '#shared/unicode.ts'

const text = StringCodec()
const noResponders: string = ErrorCode.NoResponders
const refusedLogin: string = ErrorCode.AuthorizationViolation
const noTls: string = ErrorCode.ServerOptionNotAvailable
/** Node's codes for what is wrong with a certificate, or with the handshake. */
const tlsTrouble = /CERT|SIGNATURE|^ERR_(?:SSL|TLS)/
/** JetStream's own number for it (jetstream/errors.json). */
const streamNotFound = 10059

const openWithinMs = 15_000
const lookAgainMs = 250
const settledWithinMs = 2_000
/**
 * A consumer may be gone with a server that its follower is not connected to, and in a cluster a first pull may come before anybody there answers it
 * (503, some 2 of 100 times). Only silence tells: after two missed heartbeats the client asks again, and each try takes it up to `expires`. Its own 15
 * and 30 s would leave an evaluator deaf for half a minute of a run.
 */
const pull = { max_messages: 1_000, expires: 2_000, idle_heartbeat: 500 } as const
/** Room for a message's headers, which count too. */
const headerBytes = 1_024
/** `pending`: how many facts are history. */
interface Opened { messages: ConsumerMessages; pending: number }

export interface NatsOptions extends NatsLogin {
  /** Which service this is; part of every fact's source. */
  service: string
  log: Logger
  /** nkeys seed that signs commands and signals: the scheduler's only. */
  signingSeed?: string
  /** In place of the seed, where it may be another later: who signs now. */
  signer?: () => Signer
  /** nkeys public key that commands and signed signals must be signed with. Without it none is obeyed. */
  commandKey?: string
  /** In place of that key, where there may be several, or others later. */
  verify?: Verify
  /** On how many servers the stream is kept, if this service is the one that makes it. */
  replicas?: number
  /** How long NATS, JetStream and the stream are waited for. */
  waitMs?: number
}

/**
 * Connects and makes sure that the stream is there. Throws NatsUnreachable.
 *
 * Measured on nats 2.29 against server 2.15: publishes made while disconnected are lost silently, so facts go through JetStream
 * acks only.
 */
export async function connectBus(options: NatsOptions): Promise<Bus> {
  const givenUpAt = performance.now() + (options.waitMs ?? 0)
  for (;;) {
    try {
      return await connectOnce(options)
    } catch (error) {
      if (performance.now() >= givenUpAt) throw error
      options.log.warn({ why: messageOf(error) }, 'NATS is not ready yet')
      await delay(lookAgainMs)
    }
  }
}

async function connectOnce(options: NatsOptions): Promise<Bus> {
  const { service, replicas = 1 } = options
  const servers = withoutLogin(options.servers)
  let connection: NatsConnection
  try {
    connection = await connectNats(options, `faultline-${service}`)
  } catch (cause) {
    throw new NatsUnreachable(`${whyNot(cause, servers)} (faultline config shows where it comes from)`, { cause })
  }
  try {
    const manager = await connection.jetstreamManager()
    await ensureStream(manager, 'runs', replicas)
    if (service === 'scheduler') await ensureStream(manager, 'audit', replicas)
    return new NatsBus(connection, { manager, store: await openFactStore(connection) }, options)
  } catch (cause) {
    await connection.close()
    if (cause instanceof NatsUnreachable) throw cause
    throw new NatsUnreachable(`NATS at ${servers} answers, but JetStream does not: ${messageOf(cause)}; start it with -js and file storage`, { cause })
  }
}

function whyNot(cause: unknown, servers: string): string {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : ''
  if (code === refusedLogin) return `the NATS server at ${servers} refuses this login; look at nats.user, nats.password and nats.token`
  if (code === noTls) return `the NATS server at ${servers} does not speak TLS, which nats.tls demands; have it do so, or unset nats.tls.caFile`
  if (tlsTrouble.test(code)) return `the certificate of the NATS server at ${servers} is not accepted: ${messageOf(cause)}; look at nats.tls.caFile, and whether the certificate is for the name in nats.url`
  return `no NATS server answers at ${servers}; start one, or set nats.url`
}

/** Makes the stream where it is missing. With a NATS user for each service only the scheduler's may; to the others a missing stream is one that is not ready yet. */
async function ensureStream(manager: JetStreamManager, stream: FactStream, replicas: number): Promise<void> {
  const { name, subjects, maxAgeMs } = factStreams[stream]
  const missing = await manager.streams.info(name).then(() => undefined, (error: unknown) => error)
  if (missing === undefined) return // if it has other settings than these, they are the operator's
  if (!(missing instanceof NatsError) || missing.api_error?.err_code !== streamNotFound) throw missing
  await manager.streams.add({
    name, subjects: [`${subjects}.>`], storage: StorageType.File, retention: RetentionPolicy.Limits,
    max_age: nanos(maxAgeMs), duplicate_window: nanos(120_000), num_replicas: replicas,
  }).catch((error: unknown) => {
    if (error instanceof NatsError && error.isPermissionError()) throw new NatsUnreachable('NATS answers, but the stream of facts is not there yet; the scheduler makes it, so start that first, or wait (nats.waitSeconds)', { cause: error })
    throw error
  })
}

class NatsBus implements Bus {
  readonly #connection: NatsConnection
  readonly #manager: JetStreamManager
  readonly #js: JetStreamClient
  readonly #factStore: FactStore
  readonly #log: Logger
  readonly #signer: (() => Signer) | undefined
  readonly #verify: Verify | undefined
  readonly #followings = new Set<Following>()
  #connected = true
  #heard: HeardCommands = { startedAtMs: Date.now(), nonces: new Map() }

  constructor(connection: NatsConnection, { manager, store }: { manager: JetStreamManager; store: FactStore }, { log, signingSeed, signer, commandKey, verify }: NatsOptions) {
    this.#connection = connection
    this.#manager = manager
    this.#factStore = store
    this.#js = connection.jetstream({ timeout: 2_000 })
    this.#log = log
    const fixed = signingSeed === undefined ? undefined : signerOf(signingSeed)
    this.#signer = signer ?? (fixed && (() => fixed))
    this.#verify = verify ?? (commandKey === undefined ? undefined : verifierOf(commandKey))
    void this.#watchConnection()
  }

  get connected(): boolean {
    return this.#connected && !this.#connection.isClosed()
  }

  async #watchConnection(): Promise<void> {
    for await (const { type, data } of this.#connection.status()) {
      const isUp = type === 'reconnect'
      if ((type !== 'disconnect' && !isUp) || isUp === this.#connected) continue // a login that is refused again and again is told each time
      this.#connected = isUp
      this.#log.warn({ server: data }, `nats ${type}`)
    }
  }

  writer(service: string): FactWriter {
    const source = `/faultline/${service}/${randomBytes(4).toString('hex')}`
    const counters = new Map<string, number>()
    let last: Promise<unknown> = Promise.resolve()
    return {
      write: async (run, type, data, { deadlineMs = 10_000, once = false } = {}) => {
        const checked = facts[type].data.safeParse(toUnicode(data))
        if (!checked.success) throw new MessageInvalid(`a ${type} of run ${run} is not as the catalogue says: ${checked.error.message}`)
        const sequence = (counters.get(run) ?? 0) + 1
        const fact = {
          specversion: '1.0', id: `${source}/${run}/${sequence}`, source, type: `dev.faultline.${type}`, subject: run,
          time: new Date().toISOString(), datacontenttype: 'application/json', sequence, traceparent: traceparent(run), data: checked.data,
        }
        const payload = JSON.stringify(fact)
        this.#demandRoom(payload, `a ${type} of run ${run}`) // before it is numbered: what was never sent leaves no gap in the log
        counters.set(run, sequence)
        // one after another, so that the stream's order is the source's own order
        const written = last.then(() => this.#factStore.store({ type, subject: factSubject(run, type), id: fact.id, payload }, { deadlineMs, once }))
        last = written.catch(() => undefined)
        return written
      },
    }
  }

  get #mostBytes(): number {
    return (this.#connection.info?.max_payload ?? Infinity) - headerBytes
  }

  /** Sending more than the server takes throws, where nobody would catch it. */
  #answerOf(value: unknown): Uint8Array {
    const answer = text.encode(JSON.stringify(value))
    return answer.length <= this.#mostBytes ? answer : text.encode(JSON.stringify({ outcome: 'refused', why: `the answer is ${answer.length} bytes, and the NATS server takes ${this.#mostBytes}; name fewer targets` }))
  }

  #demandRoom(payload: string, what: string): void {
    const mostBytes = this.#mostBytes
    const bytes = Buffer.byteLength(payload)
    if (bytes > mostBytes) throw new MessageTooLarge(`${what} is ${bytes} bytes of JSON, and the NATS server takes ${mostBytes}; make it smaller, or raise max_payload in the server's configuration`)
  }

  follow({ run = '*', types }: FactFilter): Following {
    const [stream = 'runs', another] = new Set(types?.map(streamOf))
    if (another !== undefined) throw new MessageInvalid(`facts of the streams ${stream} and ${another} cannot be followed as one`)
    const subjects = types ? types.map(type => factSubject(run, type)) : [`${factStreams[stream].subjects}.${run}.>`]
    const following = new StreamFollowing(() => this.#open(factStreams[stream].name, subjects), () => this.#followings.delete(following))
    this.#followings.add(following)
    return following
  }

  /** Tried again while the server is away: a service that starts when NATS restarts is not to blame. */
  async #open(stream: string, subjects: string[]): Promise<Opened> {
    const givenUpAt = performance.now() + openWithinMs
    for (;;) {
      try {
        return await this.#consume(stream, subjects)
      } catch (error) {
        if (performance.now() >= givenUpAt || this.#connection.isClosed()) throw error
        this.#log.warn({ why: messageOf(error) }, 'the stream could not be followed yet')
        await delay(100)
      }
    }
  }

  async #consume(stream: string, subjects: string[]): Promise<Opened> {
    // made only to count what is history by now: the consumer that is read from does not say it
    const probe = await this.#manager.consumers.add(stream, { filter_subjects: subjects, mem_storage: true, inactive_threshold: nanos(5_000) })
    await this.#manager.consumers.delete(stream, probe.name)
    const consumer = await this.#js.consumers.get(stream, { filterSubjects: subjects })
    // a copy: the client puts this follower's callback into it
    return { messages: await consumer.consume({ ...pull }), pending: probe.num_pending }
  }

  async request<C extends CommandName>(name: C, to: string, command: Parameters<Bus['request']>[2], { timeoutMs }: { timeoutMs: number }): Promise<never> {
    const subject = commandSubject(name, to)
    const payload = commands[name].data.safeParse(command)
    if (!payload.success) throw new MessageInvalid(`the command ${name} is not as the catalogue says: ${payload.error.message}`)
    let raw: unknown
    try {
      const sealed = this.#seal(subject, payload.data, { signed: true, ...(commands[name].once && { goodForMs: timeoutMs }) })
      const message = await this.#connection.request(subject, sealed, { timeout: timeoutMs })
      raw = message.json()
    } catch (cause) {
      const why = cause instanceof NatsError && cause.code === noResponders ? 'nobody listens' : messageOf(cause)
      throw new CommandUnanswered(`${to} did not answer ${name} within ${timeoutMs} ms: ${why}`, { cause })
    }
    const reply = commands[name].reply.safeParse(raw)
    if (reply.success) return reply.data as never
    throw new MessageInvalid(`${to} answered ${name} in a shape that is not in the catalogue: ${reply.error.message}`)
  }

  answer(name: CommandName, to: string, handler: (command: never) => Promise<unknown>): Subscription {
    const definition = commands[name]
    const subscription = this.#connection.subscribe(commandSubject(name, to), {
      callback: (error, message) => {
        if (error) return this.#log.error({ err: error, command: name }, 'subscription failed')
        const reply = (value: unknown) => void message.respond(this.#answerOf(value))
        const opened = this.#unseal(message.subject, message.string(), { signed: true, once: definition.once })
        if (opened.is === 'refused') return reply({ outcome: 'refused', why: opened.why })
        const command = definition.data.safeParse(opened.payload)
        if (!command.success) return reply({ outcome: 'refused', why: `not as the catalogue says: ${command.error.message}` })
        void (async () => handler(command.data as never))().then(reply, (failure: unknown) => {
          this.#log.error({ err: failure, command: name }, 'command failed')
          reply({ outcome: 'refused', why: messageOf(failure) })
        })
      },
    })
    return { stop: () => subscription.unsubscribe() }
  }

  signal<S extends SignalName>(name: S, to: string, signal: unknown): void {
    const subject = signalSubject(name, to)
    if (this.#connection.isClosed()) return
    this.#connection.publish(subject, this.#seal(subject, signals[name].data.parse(signal), signals[name]))
  }

  onSignal(name: SignalName, to: string, handler: (signal: never, to: string) => void): Subscription {
    const definition = signals[name]
    const subscription = this.#connection.subscribe(signalSubject(name, to), {
      callback: (error, message) => {
        if (error) return this.#log.error({ err: error, signal: name }, 'subscription failed')
        const opened = this.#unseal(message.subject, message.string(), definition)
        const signal = opened.is === 'refused' ? undefined : definition.data.safeParse(opened.payload)
        if (!signal?.success) return this.#log.warn({ signal: name, why: opened.is === 'refused' ? opened.why : 'not as the catalogue says' }, 'signal ignored')
        try {
          handler(signal.data as never, message.subject.slice(signalSubject(name, '').length))
        } catch (failure) { // one bad signal never ends the hearing of others
          this.#log.error({ err: failure, signal: name }, 'signal failed')
        }
      },
    })
    return { stop: () => subscription.unsubscribe() }
  }

  async settled(): Promise<void> {
    const known = this.#connection.flush().catch(() => undefined) // cut off: all of it is said again before anything else
    await Promise.race([known, delay(settledWithinMs, undefined, { ref: false })])
  }

  async close(): Promise<void> {
    await Promise.all([...this.#followings].map(following => following.stop()))
    if (this.connected) await this.#connection.drain().catch(() => undefined) // without a server there is nobody to drain to
    await this.#connection.close()
  }

  /** The signature covers the subject too: a command to one agent cannot be replayed to another. With `goodForMs` it covers a stamp, and is good for once. */
  #seal(subject: string, value: unknown, { signed, goodForMs }: { signed: boolean; goodForMs?: number }): Uint8Array {
    const payload = JSON.stringify(value)
    const stamp = goodForMs === undefined ? undefined : JSON.stringify(newStamp(Date.now(), goodForMs))
    const signature = signed ? this.#signer?.().sign(signedText(subject, payload, stamp)) : undefined
    return text.encode(JSON.stringify({ payload, stamp, signature }))
  }

  #unseal(subject: string, raw: string, { signed, once = false }: { signed: boolean; once?: boolean }): { is: 'opened'; payload: unknown } | { is: 'refused'; why: string } {
    try {
      const { payload, stamp, signature } = parseMessage(raw) as { payload: string; stamp?: string; signature?: string }
      if (signed) {
        if (!this.#verify) return { is: 'refused', why: 'this service knows no command key, so it obeys nobody; set commands.publicKey' }
        const valid = typeof signature === 'string' && this.#verify(signedText(subject, payload, stamp), Buffer.from(signature, 'base64'))
        if (!valid) return { is: 'refused', why: 'the signature is not the scheduler\'s' }
      }
      const why = once ? this.#whyNotNow(stamp) : undefined
      return why === undefined ? { is: 'opened', payload: parseMessage(payload) } : { is: 'refused', why }
    } catch (error) {
      return { is: 'refused', why: `unreadable: ${messageOf(error)}` }
    }
  }

  /** Remembers the command as heard, if there is nothing against it. */
  #whyNotNow(stamp: string | undefined): string | undefined {
    if (stamp === undefined) return 'it bears no nonce: a scheduler of an older version has sent it; bring that up to date'
    const { heard, why } = hear(this.#heard, stampSchema.parse(parseMessage(stamp)), Date.now())
    this.#heard = heard
    return why
  }
}

/** What the signature is over. No part holds a line end, so that two different messages never give one text, with the stamp or without it (as older versions sign). */
const signedText = (subject: string, payload: string, stamp: string | undefined): string => [subject, payload, ...stamp === undefined ? [] : [stamp]].join('\n')

class StreamFollowing implements Following {
  readonly #opened: Promise<Opened>
  readonly #onStop: () => void

  constructor(open: () => Promise<Opened>, onStop: () => void) {
    this.#opened = open()
    this.#opened.catch(() => undefined) // the iteration reports it
    this.#onStop = onStop
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Followed> {
    const { messages, pending } = await this.#opened
    let historyLeft = pending
    if (historyLeft === 0) yield { is: 'caught-up' }
    for await (const message of messages) {
      yield readStored(message.string(), message)
      if (historyLeft === 0) continue
      historyLeft = message.info.pending === 0 ? 0 : historyLeft - 1
      if (historyLeft === 0) yield { is: 'caught-up' }
    }
  }

  async stop(): Promise<void> {
    this.#onStop()
    const opened = await this.#opened.catch(() => undefined)
    await opened?.messages.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** W3C Trace Context: one trace a run, so that every service's facts and logs share its id without passing it on. */
export function traceparent(run: string): string {
  return `00-${traceId(run)}-${randomBytes(8).toString('hex')}-01`
}

export const traceId = (run: string): string => createHash('sha256').update(run).digest('hex').slice(0, 32)

/** A new key pair for signing commands: the seed for the scheduler, the public key for everybody else. */
export function newCommandKeys(): { signingSeed: string; commandKey: string } {
  const { seed: signingSeed, publicKey: commandKey } = newSigningKey()
  return { signingSeed, commandKey }
}

