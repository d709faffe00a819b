import { existsSync } from 'node:fs'
import { keyOf } from './core.ts'
import { openJournal } from './journal.ts'
import { undoEntry } from './undo.ts'

/**
 * Undoes whatever a journal holds, without a bus and without an agent: for when the agent is gone. Each fault is named `run/fault`.
 * What cannot be read or confirmed is in `unconfirmed`; the journal stays, so that a later start can try again and tell.
 */
export async function revertAll(stateFolder: string): Promise<{ reverted: string[]; unconfirmed: string[] }> {
  if (!existsSync(stateFolder)) return { reverted: [], unconfirmed: [] }
  const journal = openJournal(stateFolder)
  const { entries, corrupt } = journal.load()
  const results = await Promise.all(entries.map(async entry => {
    const observation = await undoEntry(entry)
    if (observation.verified) journal.markReverted(entry.id, { cause: 'restart', observation })
    return { name: keyOf(entry), verified: observation.verified }
  }))
  const named = (verified: boolean) => results.filter(result => result.verified === verified).map(({ name }) => name)
  return { reverted: named(true), unconfirmed: [...named(false), ...corrupt.map(({ file, why }) => `${file}: ${why}`)] }
}

/** As a command, for a keeper: `node revert-all.ts STATE_FOLDER` ends with 0 when nothing is left to be undone. */
if (import.meta.main) {
  const { reverted, unconfirmed } = await revertAll(process.argv[2] ?? '')
  for (const name of reverted) console.log(`reverted ${name}`)
  for (const name of unconfirmed) console.error(`NOT CONFIRMED ${name}`)
  process.exitCode = unconfirmed.length === 0 ? 0 : 1
}
