/** A ratio of sums, and how large and how small it may be: the ends of its one-sided intervals of 95 %. */
export interface Estimate { value: number; atMost: number; atLeast: number }

/** Of the normal distribution, the 95th percentile. */
const z95 = 1.645

/**
 * Sum of `over` by sum of `under`, with the error of a ratio estimator (Cochran, Sampling Techniques, 6.4): what each part has over, that the ratio
 * does not explain by what it has under. No shape is assumed of either. Undefined where nothing is under. Pure.
 */
export function ratioOf(parts: readonly { over: number; under: number }[]): Estimate | undefined {
  const under = parts.reduce((sum, part) => sum + part.under, 0)
  if (under <= 0) return undefined
  const value = parts.reduce((sum, part) => sum + part.over, 0) / under
  const error = Math.sqrt(parts.reduce((sum, part) => sum + (part.over - value * part.under) ** 2, 0)) / under
  return { value, atMost: value + z95 * error, atLeast: value - z95 * error }
}
