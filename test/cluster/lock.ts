import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { clusterFolder, paths } from './paths.ts'
import { MachineUnfit } from './problems.ts'

/**
 * Waits until no other command changes the cluster. The kernel's lock ends with its last holder, so none can be stale:
 * flock(1) locks the open file it inherits, and the lock stays with this process when flock has ended.
 */
export function takeLock(say: (line: string) => void): Disposable {
  mkdirSync(clusterFolder, { recursive: true })
  const file = openSync(paths.lock, 'a')
  if (flock(file, '--nonblock') !== 0) {
    say('waiting for another command on this cluster to end')
    if (flock(file) !== 0) throw new MachineUnfit('flock(1) cannot lock; it comes with util-linux.')
  }
  return { [Symbol.dispose]: () => closeSync(file) }
}

const flock = (file: number, ...options: string[]): number | null =>
  spawnSync('flock', [...options, '3'], { stdio: ['ignore', 'ignore', 'ignore', file] }).status
