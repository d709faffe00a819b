import type { Epoch } from '#shared/epoch.ts'
import type { BlastRadius } from '#shared/blast-radius.ts'
import type { FaultSpec } from '#shared/fault.ts'
import { entryId } from '../../services/injector/journal.ts'
import { parseItem } from '../../services/injector/driver.ts'
import type { Machine } from './machine.ts'
import type { Process } from './world.ts'

/** An inject as it came to an agent, whatever the agent made of it. */
export interface Asked {
  targets: ReadonlySet<string>
  epoch: Epoch
  /** The agent had heard by then that the run is aborted. */
  wasBuried: boolean
  /** The highest epoch that the agent had heard by then. */
  heardEpoch: Epoch | undefined
}

/** All that an agent was asked for under the name of one fault. */
export interface Order {
  run: string
  fault: string
  machine: Machine
  spec: FaultSpec
  /** More than once where an answer was lost, or another leader asks for what was refused to the one before: by then other targets may be chosen. */
  asked: Asked[]
  /** What was done to whom, which must all be of one of those. */
  touched: Set<string>
  blastRadius: BlastRadius
  leaseMs: number
  durationMs: number | undefined
  deliveredMs: number
  /** When a heartbeat of its run came to the agent last that was sent later than those before, and before the lease was over: what has lapsed is never renewed. */
  renewedMs: number
  /** The abort came to this start of the agent. */
  aborted?: { process: Process; atMs: number }
  /** Who has acted on it. */
  by?: Process
  /** When the last of its targets was read back after the act. */
  readBackMs?: number
}

/** One target under one fault, from one moment to another. `untilMs` undefined: still. */
export interface Span { order: Order; target: string; sinceMs: number; untilMs: number | undefined }
export interface Act { order: Order | undefined; target: string; machine: Machine; atMs: number; isOptedIn: boolean; alsoHeldBy: string | undefined }

/** An inject that leaves a scheduler's machine. */
export interface Telling { run: string; fault: string; machine: string; atMs: number }

interface Renewal { run: string; epoch: Epoch; sentAtMs: number }
type Heard = { machine: Machine; process: Process; epoch?: Epoch; buries?: string }

/** What has really happened, written down from outside: by the wires and the kernels, never by what a service believes. Invariants read it. */
export class Ledger {
  readonly acts: Act[] = []
  readonly spans: Span[] = []
  readonly acknowledgements: { id: string; place: number; by: string }[] = []
  /** When a scheduler last sent what has a fault begin or go on. */
  urgedAtMs = -1
  /** By epoch: who has sent commands under it. */
  readonly owners = new Map<string, Set<string>>()
  /** Of each fault of a run, who was ever told to do it. */
  readonly orders = new Map<string, ReadonlySet<string>>()
  /** Of each that is sent. */
  readonly tellings: Telling[] = []
  readonly #orders = new Map<string, Order>()
  readonly #heardEpoch = new Map<string, Epoch>()
  readonly #buried = new Map<string, number>()
  readonly #renewals = new WeakMap<Process, Map<string, Renewal>>()
  readonly #open = new Map<string, Span>()
  #hearing: Heard[] = []

  acknowledged(id: string, place: number, process: Process): void {
    this.acknowledgements.push({ id, place, by: process.name })
  }

  sent(payload: unknown, process: Process, nowMs: number): void {
    const { epoch, leaseMs } = payload as { epoch?: Epoch; leaseMs?: number }
    if (!epoch) return
    if (leaseMs !== undefined) this.urgedAtMs = nowMs // an inject or a heartbeat
    const owners = this.owners.get(printEpoch(epoch)) ?? new Set()
    this.owners.set(printEpoch(epoch), owners.add(process.name))
  }

  /** An inject that a scheduler has sent, wherever it gets to. Another leader may have chosen others. */
  ordered(to: string, { run, fault }: { run: string; fault: string }, machine: Machine): void {
    this.tellings.push({ run, fault, machine: machine.name, atMs: machine.world.nowMs })
    this.orders.set(`${run}/${fault}`, new Set([...this.orders.get(`${run}/${fault}`) ?? [], to]))
  }

  /** In the very event in which a process begins to handle it. */
  delivered(name: string, payload: unknown, machine: Machine): void {
    const process = machine.world.current
    const { run = '', epoch } = payload as { run?: string; epoch?: Epoch }
    if (!process || (name !== 'inject' && name !== 'heartbeat' && name !== 'abort')) return
    const { nowMs } = machine.world
    if (name === 'inject') this.#order(payload as never, machine)
    if (name === 'heartbeat' && this.#isNews(process, payload as Renewal)) for (const order of this.ordersOf(machine, run)) if (nowMs <= order.renewedMs + order.leaseMs) order.renewedMs = nowMs
    if (name === 'abort') for (const order of this.ordersOf(machine, run)) order.aborted ??= { process, atMs: nowMs }
    this.#hearing.push({ machine, process, ...(epoch && { epoch }), ...(name === 'abort' && { buries: run }) })
  }

  /** To this start of the agent: not one that came before, nor one that another has overtaken. */
  #isNews(process: Process, renewal: Renewal): boolean {
    const { run, epoch, sentAtMs } = renewal
    const heard = this.#renewals.get(process) ?? new Map<string, Renewal>()
    const known = heard.get(run)
    if (known && (isOlder(epoch, known.epoch) || (!isOlder(known.epoch, epoch) && sentAtMs <= known.sentAtMs))) return false
    this.#renewals.set(process, heard.set(run, renewal))
    return true
  }

  #order({ run, fault, item, targets, blastRadius, epoch, leaseMs, leftMs }: { run: string; fault: string; item: unknown; targets: { id: string }[]; blastRadius: BlastRadius; epoch: Epoch; leaseMs: number; leftMs?: number }, machine: Machine): void {
    const key = orderKey(machine, entryId({ run, fault }))
    const known = this.#orders.get(key)
    const asked: Asked = { targets: new Set(targets.map(({ id }) => id)), epoch, wasBuried: this.#buried.has(`${machine.name}/${run}`), heardEpoch: this.#heardEpoch.get(machine.name) }
    if (known) { // if the agent takes it only now, its lease begins now
      known.renewedMs = machine.world.nowMs
      known.asked.push(asked)
      return
    }
    const spec = parseItem(item)
    this.#orders.set(key, {
      run, fault, machine, spec, blastRadius, leaseMs, asked: [asked], touched: new Set(),
      durationMs: spec.durationMs === undefined || leftMs === undefined ? spec.durationMs : Math.min(spec.durationMs, leftMs),
      deliveredMs: machine.world.nowMs, renewedMs: machine.world.nowMs,
    })
  }

  /** A target is being touched now. `id`: of the fault, on its agent. */
  acted(machine: Machine, id: string, target: string, { isOptedIn, alsoHeldBy }: { isOptedIn: boolean; alsoHeldBy: string | undefined }): void {
    const order = this.#orders.get(orderKey(machine, id))
    if (order && machine.world.current) order.by = machine.world.current
    order?.touched.add(target)
    this.acts.push({ order, target, machine, atMs: machine.world.nowMs, isOptedIn, alsoHeldBy })
  }

  /** What was done to a target has been looked at. */
  readBack(machine: Machine, id: string): void {
    const order = this.#orders.get(orderKey(machine, id))
    if (order) order.readBackMs = machine.world.nowMs
  }

  /** After each event: what was heard counts when whoever heard it has lived through it, and what is in force is looked at in the kernels. */
  settle(machines: readonly Machine[]): void {
    for (const { machine, process, epoch, buries } of this.#hearing) {
      if (process.is === 'dead') continue
      const known = this.#heardEpoch.get(machine.name)
      if (epoch && (!known || isOlder(known, epoch))) this.#heardEpoch.set(machine.name, epoch)
      if (buries !== undefined) this.#buried.set(`${machine.name}/${buries}`, machine.world.nowMs)
    }
    if (this.#hearing.length > 0) this.#hearing = []
    for (const machine of machines) this.#look(machine)
  }

  #look(machine: Machine): void {
    const { nowMs } = machine.world
    const now = machine.kernel.inForce()
    if (now.length === 0 && this.#open.size === 0) return
    const seen = new Set<string>()
    for (const { fault, target, deed } of now) {
      const key = `${machine.name} ${fault} ${target} ${deed}`
      const order = this.#orders.get(orderKey(machine, fault))
      seen.add(key)
      if (this.#open.has(key) || !order) continue
      const span: Span = { order, target, sinceMs: nowMs, untilMs: undefined }
      this.#open.set(key, span)
      this.spans.push(span)
      machine.world.tell(`--- ${order.fault} of ${order.run} is on ${target}`)
    }
    for (const [key, span] of this.#open) {
      if (span.order.machine !== machine || seen.has(key)) continue
      span.untilMs = nowMs
      machine.world.tell(`--- ${span.order.fault} of ${span.order.run} is off ${span.target}`)
      this.#open.delete(key)
    }
  }

  inForce(): Span[] {
    return this.#open.size === 0 ? [] : [...this.#open.values()]
  }

  ordersOf(machine: Machine, run: string): Order[] {
    return [...this.#orders.values()].filter(order => order.machine === machine && order.run === run)
  }
}

const orderKey = (machine: Machine, id: string) => `${machine.name}/${machine.boot}/${id}`
export const printEpoch = ({ bucketCreatedMs, revision }: Epoch) => `${bucketCreatedMs}/${revision}`
/** Not the services' own: what is demanded of them must not be wrong where they are. */
export const isOlder = (one: Epoch, than: Epoch): boolean => one.bucketCreatedMs === than.bucketCreatedMs ? one.revision < than.revision : one.bucketCreatedMs < than.bucketCreatedMs
