import type { FactData, FactType, StoredFact } from '#shared/events.ts'
import type { Command, CommandName, Reply, Signal, SignalName } from '#shared/commands.ts'

/**
 * What services say to each other through. Facts are stored and ordered; commands are asked and answered; signals may be lost.
 * `bus-nats.ts` is the real one; whatever else implements it passes the same contract test (test/integration/bus.test.ts).
 */
export interface Bus {
  /** A writer for one source (one start of one service); it numbers the facts of each run from 1. */
  writer(service: string): FactWriter
  /** Facts of the stream from its beginning, in stream order, then as they come. `caught-up` comes once, when history is over. */
  follow(filter: FactFilter): Following
  /** Asks one receiver. Rejects with CommandUnanswered at the deadline or when nobody listens: what was asked may still have happened. */
  request<C extends CommandName>(name: C, to: string, command: Command<C>, options: { timeoutMs: number }): Promise<Reply<C>>
  /** Answers commands for `to`. A handler that throws answers with its message; a command that is invalid, wrongly signed, or good for once and comes again never reaches it. */
  answer<C extends CommandName>(name: C, to: string, handler: (command: Command<C>) => Promise<Reply<C>>): Subscription
  signal<S extends SignalName>(name: S, to: string, signal: Signal<S>): void
  /** `to`: a name, or `*` for all. */
  onSignal<S extends SignalName>(name: S, to: string, handler: (signal: Signal<S>, to: string) => void): Subscription
  /** Resolves when whoever asks from now on finds all that has been answered for so far; after two seconds without a server all the same. */
  settled(): Promise<void>
  /** Whether the connection is up now. */
  readonly connected: boolean
  /** Lets what is under way finish, then closes. Repeatable. */
  close(): Promise<void>
}

export interface FactWriter {
  /**
   * Stores a fact and resolves with its place in the stream. Retries with the same id, so that it is stored once.
   * Rejects with FactNotStored after `deadlineMs` (default 10 s), with MessageInvalid when the data is not in the catalogue's shape.
   * `once`: only if the run has no fact of this type yet, which the server compares as it stores; rejects with FactAlreadyWritten when it has.
   */
  write<T extends FactType>(run: string, type: T, data: FactData<T>, options?: WriteOptions): Promise<number>
}

export interface WriteOptions { deadlineMs?: number; once?: boolean }

export interface FactFilter {
  run?: string
  /** All types when left out. */
  types?: readonly FactType[]
}

export type Followed = { is: 'fact'; stored: StoredFact } | { is: 'caught-up' } | { is: 'invalid'; stream: number; why: string }

export interface Following extends AsyncIterable<Followed>, AsyncDisposable {
  /** Ends the iteration. Repeatable. */
  stop(): Promise<void>
}

export interface Subscription { stop(): void }
