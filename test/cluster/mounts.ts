import { readFileSync } from 'node:fs'
import { run } from './commands.ts'

/** Mount points at or below a folder, the last mounted first. */
export function mountsBelow(folder: string, mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): string[] {
  return mountinfo.split('\n').map(line => unescaped(line.split(' ')[4] ?? '')).filter(path => path === folder || path.startsWith(`${folder}/`)).reverse()
}

/** The nodes mount in namespaces of their own; on the machine there is only what an interrupted build of an image left. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const path of mountsBelow(folder)) await run(['umount', '--lazy', path])
}

/** proc_pid_mountinfo(5) writes spaces and the like in octal. */
const unescaped = (path: string): string => path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
