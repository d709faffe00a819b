import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { startTicksOf } from '#shared/process/process-tree.ts'
import { journalFolder } from './services.ts'

/** Where the sessions of this user on this machine are found again: `faultline abort` asks each one's API. */
const parent = join(tmpdir(), `faultline-${userInfo().uid}`)

const sessionSchema = z.strictObject({ pid: z.int(), apiUrl: z.url(), token: z.string() })
export type SessionAddress = z.output<typeof sessionSchema>

export function newSessionFolder(): string {
  for (let triesLeft = 5; ; triesLeft--) {
    try {
      mkdirSync(parent, { recursive: true, mode: 0o700 })
      chmodSync(parent, 0o700) // what is inside holds tokens
      return mkdtempSync(join(parent, 'session-'))
    } catch (error) {
      // the keeper of the last session may remove the empty parent in between
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || triesLeft === 0) throw error
    }
  }
}

export function announceSession(folder: string, address: SessionAddress): void {
  const file = join(folder, 'session.json')
  writeFileSync(`${file}.new`, JSON.stringify(address), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

export function localSessions(): (SessionAddress & { folder: string })[] {
  return list(parent).flatMap(name => {
    try {
      const folder = join(parent, name)
      return [{ folder, ...sessionSchema.parse(JSON.parse(readFileSync(join(folder, 'session.json'), 'utf8'))) }]
    } catch {
      return [] // not yet announced, or ending just now
    }
  })
}

const keeperSchema = z.strictObject({ pid: z.int(), startTicks: z.number() })

/** Folders whose keeper and whose session are gone: a revert in their journal was not confirmed, or the keeper itself was killed. */
export function leftFolders(): string[] {
  const alive = new Set(localSessions().filter(({ pid }) => startTicksOf(pid) !== undefined).map(({ folder }) => folder))
  return list(parent).map(name => join(parent, name)).filter(folder => {
    try {
      const { pid, startTicks } = keeperSchema.parse(JSON.parse(readFileSync(join(folder, 'keeper.json'), 'utf8')))
      return startTicksOf(pid) !== startTicks && !alive.has(folder)
    } catch {
      return isOld(folder) // just being made, or ending just now; else whoever made it was killed before its keeper was there
    }
  })
}

const settledMs = 60_000

function isOld(folder: string): boolean {
  const stat = statSync(folder, { throwIfNoEntry: false })
  return stat !== undefined && Date.now() - stat.mtimeMs > settledMs
}

/**
 * Takes over what earlier sessions left in their journals: this session's agent tries to undo it again, and keeps its targets quarantined
 * until it is confirmed. Two sessions that start at once may each move a file only once: renaming is atomic.
 */
export function adoptJournals(folder: string): void {
  for (const left of leftFolders()) {
    const from = join(left, journalFolder)
    for (const file of list(from).filter(name => /\.(entry|lease)$/.test(name))) {
      mkdirSync(join(folder, journalFolder), { recursive: true, mode: 0o700 })
      try {
        renameSync(join(from, file), join(folder, journalFolder, file))
      } catch {
        // another session was faster
      }
    }
    rmSync(left, { recursive: true, force: true })
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
