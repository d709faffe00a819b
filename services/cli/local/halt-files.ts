import { homedir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '#shared/config.ts'
import { InvalidInput } from '#shared/errors.ts'
import { haltFiles, haltPaths, printFoundHalt } from '#shared/halt-file.ts'

/** A file has everything on this machine stopped. */
export class HaltedHere extends InvalidInput {
  readonly code = 'halted_here'
}

/** For the sessions of this user: the machine's is root's to write. */
export function ownHaltFile(environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'faultline', 'halt')
}

/** Each of them stops the sessions of this user: its own, and those that the settings name for the machine. */
export const haltFilesHere = (): string[] => [ownHaltFile(), ...haltPaths(readConfig())]

/** Where `faultline halt --file` puts one: as root for the whole machine. */
export function haltFileToWrite(): string {
  const [machines] = haltPaths(readConfig())
  return process.getuid?.() === 0 && machines !== undefined ? machines : ownHaltFile()
}

/** Asked before a session begins, which could begin nothing. Throws HaltedHere. */
export function demandNotHalted(): void {
  const found = haltFiles(haltFilesHere())()
  if (found) throw new HaltedHere(`no run is taken: ${printFoundHalt(found)}; faultline resume`)
}
