/**
 * Tests on real parts measure deadlines on a machine that they share, with each other and whoever else it has. A file of which a test failed is run once more, alone, with nothing
 * beside it: what fails again fails the set; what passes then is told of by name, and its failure stays in the log. Where many fail, the machine is not why, and none is run again.
 * Unit tests and the simulation are never run again: nothing of theirs hangs on a machine.
 */

/** Of one set of tests: `npm test`, or `npm run test:cluster`. */
export const mostAgain = 2

/**
 * Files to be run again, from what failed-tests.ts has written of those that failed; none where too many failed, or where it is not known which.
 * @param {string} failed
 * @returns {string[]}
 */
export function filesToRunAgain(failed, most = mostAgain) {
  const told = failed.split('\n').filter(line => line.startsWith('✖ '))
  const files = [...new Set(told.map(line => /^✖ (?<file>\S+\.test\.ts)\b/.exec(line)?.groups?.['file']))]
  const known = files.filter(file => file !== undefined)
  return known.length < files.length || known.length > most ? [] : known
}

/**
 * For one set of tests, whose files that may be run again are counted over all its parts. Gives what is to be done where some have failed: it tells of them, and resolves with whether
 * all of these pass when their files are run again.
 */
export function runningAgain() {
  let may = mostAgain
  /** @param {string} failed as failed-tests.ts has written it @param {(files: readonly string[]) => Promise<boolean>} runAlone */
  return async (failed, runAlone) => {
    console.log(`\nThese have failed:\n${failed}`) // most of what they said of it is far above
    const files = filesToRunAgain(failed, may)
    if (files.length === 0) return false
    may -= files.length
    console.log(`Run again, with nothing beside it: ${files.join(', ')}`)
    const isGood = await runAlone(files)
    if (isGood) console.log(`\nPassed only when run again, with nothing beside it: ${files.join(', ')}`)
    return isGood
  }
}
