import { testedRows } from '../parts/tests-in-tables.ts'
import type { Defence } from './defence.ts'
import { commandDefences } from './defences/commands.ts'
import { httpDefences } from './defences/http.ts'
import { secretDefences } from './defences/secrets.ts'
import { targetDefences } from './defences/targets.ts'
import { verdictDefences } from './defences/verdicts.ts'
import type { Row } from './trial.ts'

/** What stops the threats of THREATS.md, row by row: each is taken out alone, and its test must see that. */
export const defences: readonly Defence[] = [...commandDefences, ...verdictDefences, ...targetDefences, ...httpDefences, ...secretDefences]

/** Rows of which nothing is taken out, and why. */
export const untried: Readonly<Record<string, string>> = {}

/** The rows of THREATS.md in its order, each with its defences. Throws when one names no test. */
export function threatRows(): Row[] {
  return testedRows('THREATS.md', 'id').map(({ subject: id, file, title }) => ({ id, test: { file, title }, defences: defences.filter(({ row }) => row === id) }))
}
