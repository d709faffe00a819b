/**
 * A stamp is a file inside the folder that a step made. It holds the hash of what the folder was made from, and it is
 * written last: a folder without the right stamp was interrupted or is out of date, and is made again.
 */
import { createHash } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const stampName = '.made-from'

/**
 * The hash of a step's inputs. Each part is preceded by its length, so that no two lists share one hash.
 * @param {readonly string[]} inputs
 */
export function stampOf(inputs) {
  const hash = createHash('sha256')
  for (const input of inputs) hash.update(`${Buffer.byteLength(input)}:`).update(input)
  return hash.digest('hex').slice(0, 16)
}

/** @param {string} folder @param {string} stamp */
export function isStamped(folder, stamp) {
  try {
    return readFileSync(join(folder, stampName), 'utf8') === stamp
  } catch {
    return false
  }
}

/** @param {string} folder @param {string} stamp */
export function writeStamp(folder, stamp) {
  writeFileSync(join(folder, stampName), stamp)
}

/**
 * Puts a finished folder in place of an older one. Interrupted between the two renames, there is no folder, which the
 * next set-up sees.
 * @param {string} finished @param {string} place
 */
export function putInPlace(finished, place) {
  const old = `${place}.old`
  rmSync(old, { recursive: true, force: true })
  try {
    renameSync(place, old)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
  renameSync(finished, place)
  rmSync(old, { recursive: true, force: true })
}
