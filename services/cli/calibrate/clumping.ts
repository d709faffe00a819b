import type { Cell } from './cells.ts'
import { ratioOf, type Estimate } from './ratio-estimate.ts'

/**
 * D, the index of dispersion: by how much the numbers of bad requests in blocks differ more than they would if requests failed one by one. Where they
 * fail together it is with how many others a bad one fails, and itself, so that n requests say as much as n / D.
 *
 * `burstShare`: of a burst's length to the block's. A burst that a block's end has cut looks like two smaller ones, by a third of that on the
 * whole (of bursts of one length). Undefined when none was bad, or all were. Pure.
 */
export function clumpingOf(blocks: readonly Cell[], burstShare = 0): Estimate | undefined {
  const all = sumOf(blocks)
  const share = all.bad / all.total
  if (!(share > 0 && share < 1)) return undefined
  const found = ratioOf(blocks.map(({ bad, total }) => ({ over: (bad - share * total) ** 2, under: bad * (1 - share) })))
  const whole = (ratio: number) => ratio <= 1 ? ratio : 1 + (ratio - 1) / (1 - burstShare / 3)
  return found && { value: whole(found.value), atMost: whole(found.atMost), atLeast: whole(found.atLeast) }
}

/** Cells joined to blocks of so many; what is left over at the end is no block. */
export function blocksOfCells(cells: readonly Cell[], perBlock: number): Cell[] {
  return Array.from({ length: Math.floor(cells.length / perBlock) }, (_, block) =>
    sumOf(cells.slice(block * perBlock, (block + 1) * perBlock)))
}

export const sumOf = (cells: readonly Cell[]): Cell => cells.reduce((sum, { bad, total }) => ({ bad: sum.bad + bad, total: sum.total + total }), { bad: 0, total: 0 })
