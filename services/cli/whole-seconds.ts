import { InvalidArgumentError } from 'commander'

/** An option's value. Throws InvalidArgumentError, which commander tells. */
export function wholeSeconds(typed: string): number {
  if (!/^[1-9]\d*$/.test(typed)) throw new InvalidArgumentError('a whole number of seconds, 1 or more')
  return Number(typed)
}
