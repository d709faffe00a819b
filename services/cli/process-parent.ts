import { InvalidInput } from '#shared/errors.ts'
import { readProcess } from '#shared/process/process-table.ts'
import type { DeclaredParent } from '../injector/process-targets.ts'

/** What follows `--allow` names no process. */
class BadParent extends InvalidInput {
  readonly code = 'bad_parent'
}

/** `1234` or `shop=1234`; the process must be there now, and is bound to its start time. Throws BadParent, which says what slip it probably is. */
export function parseParent(text: string): DeclaredParent & { startTicks: number } {
  const refused = (why: string) => new BadParent(`--allow ${text}: ${why}`)
  const [, name, digits = ''] = /^(?:([^=]*)=)?(.*)$/s.exec(text) ?? []
  if (name !== undefined && !/^[a-z0-9-]+$/.test(name)) throw refused('a name is of lower-case letters, digits and dashes, as in shop=1234')
  if (digits.trim() === '') throw refused('no PID is given; a $(pgrep ...) that finds no process leaves nothing there')
  if (!/^\d+$/.test(digits)) throw refused('expected the PID of the service\'s first process, as PID or NAME=PID, such as shop=1234 (pgrep -o NAME prints that of the oldest process of this name)')
  const found = readProcess(Number(digits))
  if (!found) throw refused(`there is no process ${digits}, or none any more; ps -eo pid,args shows those that are there`)
  const { pid, startTicks } = found
  return { name: name ?? `pid-${pid}`, pid, startTicks }
}
