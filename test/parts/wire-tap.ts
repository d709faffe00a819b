import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, nkeys } from 'nats'
import { commands, signals, type CommandName, type SignalName } from '#shared/commands.ts'
import { messageOf } from '#shared/errors.ts'
import { facts, factSubject, parseFact } from '#shared/events.ts'
import { until } from './until.ts'

export interface WireMessage { subject: string; reply?: string; text: string }

/** Everything that is said on the nats-server of the session that starts in this folder, from its first message on. */
export async function tapSession(temporary: string): Promise<AsyncDisposable & { messages: readonly WireMessage[] }> {
  const find = () => globSync('faultline-*/session-*/nats.conf', { cwd: temporary })[0]
  const where = (file: string) => {
    const text = readFileSync(join(temporary, file), 'utf8')
    return { servers: /listen: "(.+?)"/.exec(text)?.[1], token: /token: "(.+?)"/.exec(text)?.[1] }
  }
  await until('the session has a nats.conf', () => {
    const file = find()
    return file !== undefined && where(file).token !== undefined
  }, 60_000)
  const { servers = '', token = '' } = where(find() ?? '')
  // the file is there just before the server; the services come after it
  const connection = await connect({ servers, token, name: 'tap', waitOnFirstConnect: true, reconnectTimeWait: 10, reconnectJitter: 0 })
  const messages: WireMessage[] = []
  connection.subscribe('>', { callback: (error, { subject, reply, data }) => {
    if (error) throw error
    messages.push({ subject, ...(reply !== undefined && reply !== '' && { reply }), text: Buffer.from(data).toString('utf8') })
  } })
  await connection.flush()
  return { messages, [Symbol.asyncDispose]: () => connection.close() }
}

/** What was heard, held against the catalogue. */
export interface WireReading {
  /** `fact run.phase`, `command inject`, `reply inject`, `signal abort`. */
  seen: Set<string>
  factIds: Set<string>
  /** What is not in the catalogue, or not as it says, in words. */
  problems: string[]
}

/**
 * Reads every message. What belongs to JetStream is left out, as the server and its client library speak it and not faultline: its API, acks
 * and advisories (`$JS.`), its key-value buckets (`$KV.`), and what comes to an inbox that such a request, or the publishing of a fact, has
 * named. An inbox that nobody has named is a problem.
 */
export function readWire(messages: readonly WireMessage[], commandKey: string): WireReading {
  const reading: WireReading = { seen: new Set(), factIds: new Set(), problems: [] }
  const asked = new Map<string, CommandName | 'jetstream'>()
  const verifier = nkeys.fromPublic(commandKey)
  const isOfJetStream = ({ subject }: WireMessage) => /^\$(JS|KV)\./.test(subject)
  const readFact = ({ subject, text }: WireMessage): void => {
    const { kind, fact } = parseFact(JSON.parse(text), 0)
    reading.seen.add(`fact ${kind}`)
    reading.factIds.add(fact.id)
    if (subject !== factSubject(fact.subject, kind)) throw new Error(`is a ${kind} of ${fact.subject}`)
    if (fact.source.split('/')[2] !== facts[kind].producer) throw new Error(`comes from ${fact.source}, not from ${facts[kind].producer}`)
  }

  const readers: { [prefix: string]: (message: WireMessage) => void } = {
    'faultline.fact.': readFact,
    'faultline.audit.': readFact,
    'faultline.command.': message => {
      const name = nameIn(message.subject)
      if (!(name in commands)) throw new Error('is no command')
      commands[name as CommandName].data.parse(unseal(message, true))
      if (message.reply === undefined) throw new Error('asks for no answer')
      reading.seen.add(`command ${name}`)
    },
    'faultline.signal.': message => {
      const name = nameIn(message.subject)
      if (!(name in signals)) throw new Error('is no signal')
      const definition = signals[name as SignalName]
      definition.data.parse(unseal(message, definition.signed))
      reading.seen.add(`signal ${name}`)
    },
    '_INBOX.': ({ subject, text }) => {
      const name = asked.get(subject)
      if (name === undefined) throw new Error('answers nothing that was asked')
      if (name === 'jetstream') return
      commands[name].reply.parse(JSON.parse(text))
      reading.seen.add(`reply ${name}`)
    },
  }

  /** The scheduler's signature covers the subject, the payload, and the stamp of what is good for once; what need not be signed is not. */
  function unseal({ subject, text }: WireMessage, signed: boolean): unknown {
    const { payload, stamp, signature } = JSON.parse(text) as { payload: string; stamp?: string; signature?: string }
    const covered = stamp === undefined ? `${subject}\n${payload}` : `${subject}\n${payload}\n${stamp}`
    const isValid = signature !== undefined && verifier.verify(Buffer.from(covered), Buffer.from(signature, 'base64'))
    if (signed !== isValid) throw new Error(signed ? 'is not signed by the scheduler' : 'is signed, and need not be')
    return JSON.parse(payload)
  }

  // all requests first: an answer may reach the tap before what it answers
  for (const message of messages) {
    if (message.reply === undefined) continue
    if (message.subject.startsWith('faultline.command.')) asked.set(message.reply, nameIn(message.subject) as CommandName)
    else if (isOfJetStream(message) || /^faultline\.(?:fact|audit)\./.test(message.subject)) asked.set(message.reply, 'jetstream')
  }
  for (const message of messages) {
    if (isOfJetStream(message)) continue
    const prefix = Object.keys(readers).find(start => message.subject.startsWith(start))
    try {
      if (prefix === undefined) throw new Error('is no subject of the catalogue')
      readers[prefix]?.(message)
    } catch (error) {
      reading.problems.push(`${message.subject}: ${messageOf(error)}: ${message.text.slice(0, 300)}`)
    }
  }
  return reading
}

/** `inject` of `faultline.command.inject.local`. */
const nameIn = (subject: string): string => subject.split('.')[2] ?? ''
