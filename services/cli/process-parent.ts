import { InvalidInput } from '#shared/errors.ts'
import { readProcess } from '#shared/process/process-table.ts'
import type { DeclaredParent } from '../injector/process-targets.ts'

/** What follows `--allow` names no process. */
class BadParent extends InvalidInput {
  readonly code = 'bad_parent'
}

/** `1234` or `shop=1234`; the process must be there now, and is bound to its start time. Throws BadParent. */
export function parseParent(text: string): DeclaredParent & { startTicks: number } {
  const [, name, digits] = /^(?:([a-z0-9-]+)=)?(\d+)$/.exec(text) ?? []
  const found = digits === undefined ? undefined : readProcess(Number(digits))
  if (!found) throw new BadParent(`--allow ${text}: no such process; give the PID of the service's first process, as PID or NAME=PID`)
  const { pid, startTicks } = found
  return { name: name ?? `pid-${pid}`, pid, startTicks }
}
