import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

/** Where the sessions of this user on this machine are found again: `faultline abort` asks each one's API. */
const parent = join(tmpdir(), `faultline-${userInfo().uid}`)

const sessionSchema = z.strictObject({ pid: z.int(), apiUrl: z.url(), token: z.string() })
export type SessionAddress = z.output<typeof sessionSchema>

export function newSessionFolder(): string {
  mkdirSync(parent, { recursive: true, mode: 0o700 })
  chmodSync(parent, 0o700) // what is inside holds tokens
  return mkdtempSync(join(parent, 'session-'))
}

export function announceSession(folder: string, address: SessionAddress): void {
  const file = join(folder, 'session.json')
  writeFileSync(`${file}.new`, JSON.stringify(address), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

export function localSessions(): SessionAddress[] {
  return list(parent).flatMap(name => {
    try {
      return [sessionSchema.parse(JSON.parse(readFileSync(join(parent, name, 'session.json'), 'utf8')))]
    } catch {
      return [] // not yet announced, or ending just now
    }
  })
}

/** Removes the folder of all sessions when the last one has gone. */
export function forgetSessionsFolder(): void {
  try {
    rmdirSync(parent)
  } catch {
    // another session lives in it, or nothing was made
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
