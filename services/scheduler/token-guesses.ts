/**
 * Wrong tokens by the address that they came from: after `burst` of them, one more each `everyMs`, and until then the address is not listened to. An
 * address that has shown a right token lately always is: nobody who guesses beside it (behind the same NAT) locks out whoever wants to abort. No clock of
 * its own, and no more than `mostAddresses` in memory; the ones that were heard of longest ago are forgotten.
 */
export class TokenGuesses {
  readonly #known = new Map<string, Guesser>()
  readonly #limits: GuessLimits

  constructor(limits: Partial<GuessLimits> = {}) {
    this.#limits = { burst: 100, everyMs: 1_000, provenForMs: 3_600_000, mostAddresses: 10_000, ...limits }
  }

  /** How long the address has to wait; 0: it is listened to. */
  waitMs(address: string, nowMs: number): number {
    const guesser = this.#known.get(whoseOf(address))
    if (!guesser || nowMs < guesser.provenUntilMs) return 0
    return Math.max(0, Math.round((this.#wrongNow(guesser, nowMs) - this.#limits.burst + 1) * this.#limits.everyMs))
  }

  wrong(address: string, nowMs: number): void {
    const guesser = this.#known.get(whoseOf(address))
    this.#remember(address, { wrong: guesser ? this.#wrongNow(guesser, nowMs) + 1 : 1, atMs: nowMs, provenUntilMs: guesser?.provenUntilMs ?? -Infinity })
  }

  right(address: string, nowMs: number): void {
    this.#remember(address, { wrong: 0, atMs: nowMs, provenUntilMs: nowMs + this.#limits.provenForMs })
  }

  get addresses(): number {
    return this.#known.size
  }

  #wrongNow({ wrong, atMs }: Guesser, nowMs: number): number {
    return Math.max(0, wrong - (nowMs - atMs) / this.#limits.everyMs)
  }

  #remember(address: string, guesser: Guesser): void {
    const whose = whoseOf(address)
    this.#known.delete(whose) // so that it is the youngest in the map's order
    this.#known.set(whose, guesser)
    const [oldest] = this.#known.keys()
    if (this.#known.size > this.#limits.mostAddresses && oldest !== undefined) this.#known.delete(oldest)
  }
}

interface Guesser { wrong: number; atMs: number; provenUntilMs: number }
export interface GuessLimits { burst: number; everyMs: number; provenForMs: number; mostAddresses: number }

/** Whoever has one address of IPv6 has its whole /64. */
const whoseOf = (address: string): string => address.includes(':') && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address
