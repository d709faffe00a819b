import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { ancestorsOf, findProcess, readProcess, readProcesses } from '#shared/process/process-table.ts'
import type { DeclaredParent } from '../../injector/process-targets.ts'

/** Another session on this machine may touch the same processes. */
class ProcessesClaimed extends InvalidInput {
  readonly code = 'processes_claimed'
}

const identified = z.strictObject({ pid: z.int(), startTicks: z.number() })
const claimSchema = z.strictObject({ session: identified, processes: z.array(identified) })
const claimFile = 'claim.json'

/**
 * Two sessions have two agents, neither of which knows what the other one's holds: the end of one fault would end the other's, whose run might pass without
 * it. So a session says in its folder which processes are its own, with all below them, before it looks whether others have said so. Throws ProcessesClaimed.
 */
export function claimProcesses(folder: string, parents: readonly DeclaredParent[]): void {
  if (parents.length === 0) return
  const session = readProcess(process.pid)
  const processes = parents.flatMap(({ pid, startTicks = readProcess(pid)?.startTicks }) => startTicks === undefined ? [] : [{ pid, startTicks }])
  writeFileSync(join(folder, claimFile), JSON.stringify({ session: { pid: process.pid, startTicks: session?.startTicks ?? 0 }, processes }), { mode: 0o600 })
  const table = readProcesses()
  const isSameTree = (a: number, b: number) => a === b || ancestorsOf(a, table).includes(b) || ancestorsOf(b, table).includes(a)
  for (const other of otherClaims(folder)) {
    const shared = parents.find(({ pid }) => other.processes.some(claimed => findProcess(claimed) && isSameTree(pid, claimed.pid)))
    if (shared) throw new ProcessesClaimed(`${shared.name} (${shared.pid}) is in the hands of another session, the process ${other.session.pid}: its faults and these would end each other; wait for its end, or faultline abort --all`)
  }
}

/** Of sessions that have not ended; one that is just being made has none yet, and will see this one's. */
function otherClaims(folder: string): z.output<typeof claimSchema>[] {
  const parent = dirname(folder)
  return readdirSync(parent).map(name => join(parent, name)).filter(path => path !== folder).flatMap(path => {
    try {
      const claim = claimSchema.parse(JSON.parse(readFileSync(join(path, claimFile), 'utf8')))
      return findProcess(claim.session) ? [claim] : []
    } catch {
      return []
    }
  })
}
