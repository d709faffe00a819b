/**
 * One deterministic event loop with a virtual clock. Whatever happens is an event at a time, and belongs to a process or to the world itself;
 * after each event all promises that it settled have been gone on with, before the next one. No real time passes and nothing real is touched.
 */
export class World {
  nowMs = 0
  /** The process whose event is going on: whatever timer is started now is its own. */
  current: Process | undefined
  /** What was thrown and caught by nobody. */
  readonly strays: unknown[] = []
  /** Told to people when a seed fails: `[time, what]`. */
  readonly transcript: [number, string][] = []
  readonly #queue = new Queue()

  tell(what: string): void {
    this.transcript.push([this.nowMs, what])
  }

  /** An event of a process happens only while that lives, and while it is stopped it waits. */
  after(delayMs: number, owner: Process | undefined, happens: () => void): Event {
    const event: Event = { atMs: this.nowMs + Math.max(0, Math.round(delayMs)), owner, happens, isOff: false }
    this.#queue.add(event)
    return event
  }

  /** Resolves in the process that asked, after a time. */
  pass(delayMs: number): Promise<void> {
    const asking = this.current
    return new Promise(resolve => this.after(delayMs, asking, resolve))
  }

  /** Until nothing is left to happen, `isOver` says so, or so much time has passed. `eachStep` comes after every event. */
  async run({ isOver, mostMs, eachStep }: { isOver: () => boolean; mostMs: number; eachStep: () => void }): Promise<'over' | 'out of time'> {
    for (let event = this.#queue.take(); event; event = this.#queue.take()) {
      if (event.isOff || event.owner?.is === 'dead') continue
      this.nowMs = event.atMs
      if (event.owner?.is === 'stopped') {
        event.owner.waiting.push(event)
        continue
      }
      this.current = event.owner
      try {
        event.happens()
      } catch (error) {
        if (!(error instanceof Died)) this.strays.push(error)
      }
      if (event.owner) await drained()
      this.current = undefined
      eachStep()
      if (isOver()) return 'over'
      if (this.nowMs > mostMs) return 'out of time'
    }
    return 'over'
  }
}

/** Resolves when every promise that could be gone on with has been. */
export const drained = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

export interface Event { atMs: number; owner: Process | undefined; happens: () => void; isOff: boolean }

/** What the code of a process that is dead already gets from every call: nothing that it still does can be seen by anybody. */
export class Died extends Error {}

/** One start of one program on one machine. */
export class Process {
  is: 'running' | 'stopped' | 'dead' = 'running'
  /** When it went on last after a stop. */
  wentOnMs = 0
  /** What comes to it while it is stopped. */
  readonly waiting: Event[] = []
  readonly #leaving: (() => void)[] = []
  readonly #atEnd: (() => void)[] = []
  readonly #world: World
  readonly name: string
  #steps = 0
  /** Called before each thing that it does to the world outside of it, with how many it has done. */
  beforeStep: ((step: number, what: string) => void) | undefined

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
  }

  /** Before everything that others could see. Throws Died in a process that is dead, or dies here. */
  step(what: string): void {
    this.#demandLife(what)
    this.beforeStep?.(++this.#steps, what)
    this.#demandLife(what)
  }

  #demandLife(what: string): void {
    if (this.is === 'dead') throw new Died(`${this.name} is dead, and does not ${what}`)
  }

  /** Sends something: at once, or when it goes on if it has been stopped here. */
  leave(happens: () => void): void {
    if (this.is === 'stopped') this.#leaving.push(happens)
    else if (this.is === 'running') happens()
  }

  onEnd(happens: () => void): void {
    this.#atEnd.push(happens)
  }

  /** SIGKILL. */
  end(): void {
    if (this.is === 'dead') return
    this.is = 'dead'
    for (const happens of this.#atEnd) happens()
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.is === 'running') this.is = 'stopped'
  }

  /** SIGCONT: what came meanwhile happens now, in its order. */
  goOn(): void {
    if (this.is !== 'stopped') return
    this.is = 'running'
    this.wentOnMs = this.#world.nowMs
    for (const happens of this.#leaving.splice(0)) happens()
    for (const { happens, isOff } of this.waiting.splice(0)) if (!isOff) this.#world.after(0, this, happens)
  }
}

/** A binary heap by time, and by the order in which events were added. */
class Queue {
  readonly #heap: { event: Event; number: number }[] = []
  #added = 0

  add(event: Event): void {
    this.#heap.push({ event, number: this.#added++ })
    for (let at = this.#heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1
      if (this.#isBefore(parent, at)) return
      this.#swap(parent, at)
      at = parent
    }
  }

  take(): Event | undefined {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (!first || !last) return undefined
    if (this.#heap.length === 0) return first.event
    this.#heap[0] = last
    for (let at = 0; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      const child = right < this.#heap.length && this.#isBefore(right, left) ? right : left
      if (child >= this.#heap.length || this.#isBefore(at, child)) return first.event
      this.#swap(child, at)
      at = child
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    if (!a || !b) throw new Error('the heap has no such place')
    return a.event.atMs === b.event.atMs ? a.number < b.number : a.event.atMs < b.event.atMs
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one], this.#heap[other]]
    if (!a || !b) throw new Error('the heap has no such place')
    this.#heap[one] = b
    this.#heap[other] = a
  }
}
