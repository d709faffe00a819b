import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Config } from '#shared/config.ts'
import { printDate } from '#shared/units.ts'

/**
 * The lever that needs nobody: while such a file is there, whoever finds it has stopped. Agents, bridge and schedulers look for it at each of their
 * ticks, so that it acts with NATS and every other service down, and goes on acting when any of them is started again.
 */
export interface FoundHalt {
  /** `the file /var/lib/faultline/halt` */
  where: string
  why: string
  /** Unix epoch, milliseconds. */
  sinceMs: number
}

/** Looks now. Undefined: nothing stops. */
export type FindHalt = () => FoundHalt | undefined

export const nothingHalts: FindHalt = () => undefined

/** Longer reasons are cut. */
const mostCharacters = 500
const mostBytes = 65_536
/** Whoever makes a file dates it as they like, and no other dates can be printed (ECMA-262, "time range"). */
const latestMs = 8_640_000_000_000_000

/** The first of these files that is there, whatever it holds: its first line is the reason. */
export function haltFiles(paths: readonly string[]): FindHalt {
  return () => {
    for (const path of paths) {
      const found = look(path)
      if (found) return found
    }
    return undefined
  }
}

/** As the settings say, for every service of this machine or pod. */
export const haltPaths = (config: Config): string[] => config.need('halt.files').split(',').map(path => path.trim()).filter(Boolean)

/** One that is there stays as it was: the first word tells since when, and why. Throws what the file system says. */
export function writeHaltFile(path: string, why: string): void {
  mkdirSync(dirname(path), { recursive: true })
  let descriptor: number
  try {
    descriptor = openSync(path, 'wx', 0o644)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
    throw error
  }
  sync(descriptor, `${why}\n`)
  sync(openSync(dirname(path), 'r'))
}

/** False when there was none. Throws what the file system says. */
export function removeHaltFile(path: string): boolean {
  if (!look(path)) return false
  rmSync(path)
  return true
}

export function printFoundHalt({ where, why, sinceMs }: FoundHalt): string {
  return `halted by ${where} since ${printDate(sinceMs)}${why === '' ? '' : `: ${why}`}`
}

/** On a disk that cannot be read there is none: no journal can be written there either, so that nothing is injected. */
function look(path: string): FoundHalt | undefined {
  try {
    const link = lstatSync(path, { throwIfNoEntry: false }) // a link that leads nowhere is there, too
    return link && { where: `the file ${path}`, why: readReason(path), sinceMs: Math.min(Math.max(0, Math.floor(link.mtimeMs)), latestMs) }
  } catch {
    return undefined
  }
}

function readReason(path: string): string {
  try {
    const stat = statSync(path)
    if (!stat.isFile() || stat.size > mostBytes) return '' // a pipe would be read for ever
    const [line = ''] = readFileSync(path, 'utf8').split('\n', 1)
    return line.replaceAll(/\p{Cc}/gu, ' ').trim().slice(0, mostCharacters)
  } catch {
    return ''
  }
}

function sync(descriptor: number, text = ''): void {
  try {
    if (text !== '') writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
