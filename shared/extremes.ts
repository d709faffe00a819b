/**
 * The least and the greatest of numbers, however many: `Math.max(...numbers)` throws past some hundred thousand arguments, and half an hour of
 * load has more samples than that. Of none: Infinity and -Infinity, as Math says it.
 */
export function leastOf(numbers: Iterable<number>): number {
  let least = Infinity
  for (const number of numbers) if (number < least) least = number
  return least
}

export function greatestOf(numbers: Iterable<number>): number {
  let greatest = -Infinity
  for (const number of numbers) if (number > greatest) greatest = number
  return greatest
}
