const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const

/**
 * One character a value, between the least (at most 0) and the greatest of the values and `reach`, so that a small value beside a far
 * limit looks small. Null is an empty cell: nothing is known. Pure.
 */
export function sparkline(values: readonly (number | null)[], reach = 0): string[] {
  const known = [...values, reach].filter((value): value is number => value !== null && Number.isFinite(value))
  const low = Math.min(0, ...known)
  const span = Math.max(0, ...known) - low
  return values.map(value => {
    if (value === null || Number.isNaN(value)) return ' '
    const share = span > 0 ? (value - low) / span : 0
    return bars[Math.max(0, Math.min(bars.length - 1, Math.ceil(share * bars.length) - 1))] ?? bars[0]
  })
}
