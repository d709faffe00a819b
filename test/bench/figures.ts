import jstat from 'jstat'

/**
 * The value that a share of all values is not above, between two neighbours where it falls there. Of up to 62 values p99 is the greatest: jStat's
 * `percentile` would give the second greatest of thirty, and make every tail look better than it was. Throws without a value.
 */
export function quantile(values: readonly number[], share: number): number {
  const [only, ...others] = values
  if (only === undefined) throw new Error('a quantile of no values')
  const [found] = others.length === 0 ? [only] : jstat.jStat.quantiles(values, [share])
  return found ?? Number.NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)
export const p99 = (values: readonly number[]): number => quantile(values, 0.99)

/** `87 ms`, `2.43 s`. */
export const printMs = (ms: number): string => Math.abs(ms) < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`

/** A row of a Markdown table. */
export const row = (...columns: (string | number)[]): string => `| ${columns.join(' | ')} |`

/** The first two lines of one. */
export const head = (...columns: string[]): string => `${row(...columns)}\n${row(...columns.map(() => '---'))}`
