import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** Everything that is left to chance, decided by a seed. Each thing that draws has a chance of its own, so that leaving one out changes no other. */
export class Chance {
  readonly #generator

  constructor(seed: number, part = 0) {
    this.#generator = xoroshiro128plus(Math.imul(seed, 0x9e37_79b1) ^ Math.imul(part + 1, 0x85eb_ca6b))
    for (let warm = 0; warm < 4; warm++) this.#generator.next() // neighbouring seeds begin alike
  }

  /** Both ends included. */
  int(from: number, to: number): number {
    return uniformInt(this.#generator, from, to)
  }

  happens(share: number): boolean {
    return this.int(0, 999_999) < share * 1_000_000
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.int(0, list.length - 1)]
    if (found === undefined) throw new Error('there is nothing to pick from')
    return found
  }

  shuffled<T>(list: readonly T[]): T[] {
    const left = [...list]
    return list.map(() => left.splice(this.int(0, left.length - 1), 1)[0] as T)
  }
}
