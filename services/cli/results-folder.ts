import { mkdtempSync, rmdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { InvalidInput, messageOf } from '#shared/errors.ts'

/** What comes of a run could not be written. */
class ResultsUnwritable extends InvalidInput {
  readonly code = 'results_unwritable'
}

/** Tried before a run, whose faults would be done for nothing; leaves nothing. Throws ResultsUnwritable. */
export function demandResultsFolder(path: string): void {
  const why = whyUnwritable(path)
  if (why !== undefined) throw new ResultsUnwritable(`--results ${path}: ${why}; name a folder that can be written, and nothing was begun`)
}

/** Why nothing can be written into a folder that may have to be made first; undefined when it can. Leaves nothing. */
export function whyUnwritable(path: string): string | undefined {
  const parent = nearestThere(resolve(path))
  if (!statSync(parent).isDirectory()) return `${parent} is no folder`
  try {
    rmdirSync(mkdtempSync(join(parent, '.faultline-'))) // access(2) has root write anywhere, be it in /proc
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

/** The path, or the first above it that is there. */
function nearestThere(path: string): string {
  try {
    statSync(path)
    return path
  } catch {
    return path === dirname(path) ? path : nearestThere(dirname(path))
  }
}
