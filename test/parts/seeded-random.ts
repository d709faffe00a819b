/** Numbers in [0, 1) that a seed decides, so that what chance has shown can be played again (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A new list in another order (Fisher-Yates). */
export function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const found = [...list]
  for (let last = found.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const [a, b] = [found[last] as T, found[other] as T]
    found[last] = b
    found[other] = a
  }
  return found
}

/** FAULTLINE_TEST_SEED, or a new one: print it. */
export const testSeed = (): number => Number(process.env['FAULTLINE_TEST_SEED'] ?? Date.now() % 1_000_000)
