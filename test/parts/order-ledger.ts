import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Visitor } from './shop.ts'

export interface Attempt { orderId: string; startedMs: number; endedMs: number; acknowledged: boolean }

/** Orders placed one after another by each of some customers; every one that the shop has acknowledged is remembered here, outside it. */
export class OrderLedger {
  readonly #url: string
  readonly #attempts: Attempt[] = []
  readonly #stopped = new AbortController()
  readonly #customers: Promise<void>[]

  constructor(url: string, customers: number) {
    this.#url = url
    this.#customers = Array.from({ length: customers }, (_, index) => this.#shop(index + 1))
  }

  acknowledged(sinceMs = 0): Attempt[] { return this.#attempts.filter(attempt => attempt.acknowledged && attempt.startedMs >= sinceMs) }

  get attempts(): number { return this.#attempts.length }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all(this.#customers)
  }

  /** How long no order at all was acknowledged around a moment: from the last one before to the first one after. */
  outageMs(atMs: number): number {
    const ends = this.acknowledged().map(attempt => attempt.endedMs).sort((a, b) => a - b)
    const before = ends.findLast(end => end <= atMs) ?? atMs
    // who was acknowledged just after may have been on its way before: the longest gap that begins within a second
    let longest = 0
    let last = before
    for (const end of ends.filter(end => end > atMs)) {
      if (last - atMs < 1_000) longest = Math.max(longest, end - last)
      last = end
    }
    return longest
  }

  /** The ids of acknowledged orders that the shop does not have. */
  async missing(): Promise<string[]> {
    const lost: string[] = []
    for (const { orderId } of this.acknowledged()) {
      const { status } = await fetch(`${this.#url}/api/orders/${orderId}`)
      if (status === 404) lost.push(orderId)
      else if (status !== 200) throw new Error(`whether ${orderId} is there, the shop did not say: ${status}`)
    }
    return lost
  }

  async #shop(number: number): Promise<void> {
    let person: Visitor | undefined
    while (!this.#stopped.signal.aborted) {
      const attempt: Attempt = { orderId: randomUUID(), startedMs: performance.now(), endedMs: 0, acknowledged: false }
      try {
        person ??= await new Visitor(this.#url).logIn(`customer${number}@example.test`, 'customer')
        const added = await person.post('/cart/add', { product: String(100 + number) })
        const placed = added.status === 302 ? await person.post('/checkout', { order_id: attempt.orderId }, { accept: 'application/json' }) : added
        attempt.acknowledged = placed.status === 201
      } catch {
        // no answer: not acknowledged
      }
      attempt.endedMs = performance.now()
      this.#attempts.push(attempt)
      await delay(50) // a customer, not a flood
    }
  }
}
