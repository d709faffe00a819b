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
