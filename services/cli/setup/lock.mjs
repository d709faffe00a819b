import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { stateFolder } from '#shared/checkout.mjs'

/** @type {number | undefined} */
let lock

/**
 * Waits until no other set-up works on this checkout.
 *
 * The kernel's lock, not a file with a process id: it ends with its last holder, so nothing can be stale. flock(1) locks
 * the open file that it inherits, and the lock stays when flock ends, because this process still holds that file open.
 * @param {() => void} onWait called when somebody else has the lock
 */
export function takeLock(onWait) {
  mkdirSync(stateFolder, { recursive: true })
  const file = openSync(join(stateFolder, 'setup.lock'), 'a')
  if (flock(file, '--nonblock') !== 0) {
    onWait()
    const status = flock(file)
    if (status !== 0) throw new Error(`flock ended with ${status ?? 'no exit code'}; set-up needs flock(1) of util-linux on PATH.`)
  }
  lock = file
}

/** @param {number} file @param {readonly string[]} options */
function flock(file, ...options) {
  return spawnSync('flock', [...options, '3'], { stdio: ['ignore', 'ignore', 'ignore', file] }).status
}

export function releaseLock() {
  if (lock !== undefined) closeSync(lock)
  lock = undefined
}

/** The open file that is the lock, to be handed on to children. */
export function heldLock() {
  return lock
}
