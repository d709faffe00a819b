import type { StoredFact } from '#shared/events.ts'
import type { Found, LeaseRecord } from '../../services/scheduler/lease.ts'
import { beginMs, type Machine } from './machine.ts'
import type { Process, World } from './world.ts'

/** What becomes of messages on their way; the chaos (chaos.ts) decides. A list of delays has one for each copy that arrives: none is a loss. */
export interface Weather {
  signal(): readonly number[]
  command(): readonly number[]
  losesAnswer(): boolean
  losesAck(): boolean
  /** The consumer of this service gets nothing now. */
  stalls(machine: Machine): boolean
}

export interface Listener { name: string; to: string; process: Process; machine: Machine; handler: (payload: never, to: string) => unknown }

/**
 * The NATS server as the services know it: one stream that stores each id once, the key of the lease, and who listens to what. What it has
 * acknowledged it keeps: its disk is asked for every write (sync_interval: always), and is not part of the simulation.
 */
export class Nats {
  readonly facts: StoredFact[] = []
  readonly listeners = new Set<Listener>()
  /** Followers that have all there is, and wait. */
  readonly waiting = new Set<() => void>()
  readonly weather: Weather
  isDown = false
  /** Called when something did not come through. */
  onBlocked: ((by: 'nats-down' | 'partition') => void) | undefined
  /** As a scheduler has left it that ended some time ago. `revision: 0`: nothing is there, and what comes first has the revision `first`. */
  lease: { createdMs: number; first: number; revision: number; record?: LeaseRecord } = { createdMs: beginMs, first: 1, revision: 1, record: { holder: 'a scheduler of old', released: true } }
  readonly #stored = new Map<string, number>()
  readonly #world: World

  constructor(world: World, weather: Weather) {
    this.#world = world
    this.weather = weather
  }

  reaches(machine: Machine): boolean {
    if (this.isDown) this.onBlocked?.('nats-down')
    else if (machine.isCutOff) this.onBlocked?.('partition')
    return !this.isDown && !machine.isCutOff
  }

  /** Its place in the stream: the old one when it is there already. `once`: only if the run has no fact of its type. */
  store(stored: Omit<StoredFact, 'stream'>, { once = false } = {}): number | 'refused' {
    const known = this.#stored.get(stored.fact.id)
    if (known !== undefined) return known
    if (once && this.facts.some(({ kind, fact }) => kind === stored.kind && fact.subject === stored.fact.subject)) return 'refused'
    const place = this.facts.length + 1
    this.facts.push({ ...stored, stream: place } as StoredFact)
    this.#stored.set(stored.fact.id, place)
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const goOn of waiting) goOn()
    return place
  }

  readLease(): Found {
    const { first, revision, record } = this.lease
    return revision === 0 ? { revision, emptyAt: first - 1 } : { revision, record }
  }

  /** Compare and set, by what it replaces. */
  writeLease(over: Found, record: LeaseRecord): number | 'refused' {
    const { first, revision } = this.lease
    const { emptyAt } = this.readLease()
    if (over.revision !== revision || (over.emptyAt !== undefined && over.emptyAt !== emptyAt)) return 'refused'
    this.lease = { ...this.lease, revision: revision === 0 ? first : revision + 1, record }
    return this.lease.revision
  }

  /** The key is lost with its bucket, and the bucket made anew, with revisions that begin as in epoch.ts. */
  loseLease(): void {
    const createdMs = beginMs + this.#world.nowMs
    this.lease = { createdMs, first: createdMs, revision: 0 }
  }
}
