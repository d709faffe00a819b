import { z } from 'zod'

/**
 * Which of all that have led a scheduler is: the creation time of the bucket that leaders take (Unix epoch, milliseconds), then the revision of the write that took it.
 * A bucket that was lost and made again is younger, whatever its revisions are.
 */
export const epochSchema = z.strictObject({ bucketCreatedMs: z.int().nonnegative().max(8_640_000_000_000_000), revision: z.int().nonnegative() })
export type Epoch = z.output<typeof epochSchema>

/** Whether whoever bears this epoch has been followed by another. Nothing is older than none. */
export function isOlderEpoch(epoch: Epoch, than: Epoch | undefined): boolean {
  if (than === undefined) return false
  return epoch.bucketCreatedMs === than.bucketCreatedMs ? epoch.revision < than.revision : epoch.bucketCreatedMs < than.bucketCreatedMs
}
