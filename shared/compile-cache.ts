import { lstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { stateFolder } from '#shared/checkout.mjs'

/**
 * The environment in which Node.js keeps what it has made of our files: JavaScript of TypeScript, and bytecode of that (nodejs.org/api/module.html, "module compile
 * cache"). With it a program starts in a third of the time, and without the compiler of TypeScript in its memory. Entries are bound to a file's content and
 * to this very Node.js; a missing, stale or unwritable cache only costs time.
 *
 * Whoever can write there has their code run by us, so it is a folder that this user owns and nobody else may write, in a checkout that is trusted as far as its
 * programs are; else there is none. Empty also while coverage is measured, which it would make less exact, and where the user has set one.
 */
export function compileCache(environment: NodeJS.ProcessEnv = process.env, folder = join(stateFolder, 'compile-cache')): { NODE_COMPILE_CACHE?: string } {
  if (environment['NODE_COMPILE_CACHE'] !== undefined || environment['NODE_V8_COVERAGE'] !== undefined) return {}
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const found = lstatSync(folder)
    const isOurs = found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0
    return isOurs ? { NODE_COMPILE_CACHE: folder } : {}
  } catch {
    return {} // a checkout that this user cannot write
  }
}
