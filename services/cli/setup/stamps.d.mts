/** The hash of a step's inputs. */
export function stampOf(inputs: readonly string[]): string

export function isStamped(folder: string, stamp: string): boolean

export function writeStamp(folder: string, stamp: string): void

/** Puts a finished folder in place of an older one. */
export function putInPlace(finished: string, place: string): void
