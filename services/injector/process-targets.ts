import { createHash } from 'node:crypto'
import { ancestorsOf, descendantsOf, isAlive, type ProcessEntry } from '#shared/process/process-table.ts'
import { overCap, takes, usualBlastRadius, type BlastRadius } from '#shared/blast-radius.ts'
import type { BoundProcess, Pick, ProcessTarget } from '#shared/target.ts'
import { FaultRefused } from './fault-refused.ts'
import type { Untouchable } from './untouchable.ts'

/** A process that the operator has opted in: it and its descendants may be touched. */
export interface DeclaredParent { name: string; pid: number; startTicks?: number }

export interface Scene {
  table: readonly ProcessEntry[]
  commandOf(pid: number): string
  parents: readonly DeclaredParent[]
  untouchable: Untouchable
}

/**
 * Every process that the target names, topmost only, before any is picked. Pure.
 * Throws FaultRefused when there is none or when nothing was declared.
 */
export function candidates({ match, parent }: ProcessTarget, scene: Scene): BoundProcess[] {
  const declared = parent === undefined ? scene.parents : scene.parents.filter(({ name }) => name === parent)
  if (scene.parents.length === 0) {
    throw new FaultRefused('no process is opted in: declare those that may be touched, with their descendants (--allow NAME=PID, or injector.parents)')
  }
  if (declared.length === 0) {
    throw new FaultRefused(`no parent named ${parent} is declared; declared: ${[...new Set(scene.parents.map(({ name }) => name))].join(', ')}`)
  }
  const alive = declared.filter(({ pid, startTicks }) => scene.table.some(entry => entry.pid === pid && (startTicks === undefined || entry.startTicks === startTicks)))
  const matching = alive.flatMap(({ pid }) => [...scene.table.filter(entry => entry.pid === pid), ...descendantsOf(pid, scene.table)])
    .filter(entry => isAlive(entry) && !scene.untouchable.has(entry.pid) && scene.commandOf(entry.pid).includes(match))
  const pids = new Set(matching.map(({ pid }) => pid))
  const topmost = matching.filter(({ pid }, index) => matching.findIndex(other => other.pid === pid) === index
    && !ancestorsOf(pid, scene.table).some(ancestor => pids.has(ancestor)))
  if (topmost.length === 0) {
    const where = declared.map(({ name, pid }) => `${name} (${pid}${alive.some(parent => parent.pid === pid) ? '' : ', which has ended'})`).join(', ')
    throw new FaultRefused(`no process at or below ${where} matches ${JSON.stringify(match)}; compare with: ps -eo pid,ppid,args`)
  }
  return topmost.map(({ pid, startTicks }) => ({ id: `process:${pid}:${startTicks}`, pid, startTicks, description: scene.commandOf(pid).slice(0, 200) }))
}

/**
 * Which of the candidates: the same run picks the same again. Throws FaultRefused when there are fewer than asked for, or when it would be more
 * than the experiment's blast radius.
 */
export function pickTargets<T extends { id: string }>(found: readonly T[], pick: Pick, run: string, radius: BlastRadius = usualBlastRadius): T[] {
  const count = takes(pick, found.length)
  if (found.length < count) throw new FaultRefused(`the target asks for ${count}, but only ${found.length} match: ${found.map(({ id }) => id).join(', ')}`)
  const tooMany = overCap(radius, count, found.length)
  if (tooMany !== undefined) throw new FaultRefused(tooMany)
  return pick === 'all' ? [...found] : shuffled(found, run).slice(0, count)
}

/**
 * Who of those that are free is to join those that are held: as many as are missing from what `pick` asks for of those that match now, so that a
 * share stays a share while a workload grows, and one that was replaced is followed by its successor. Throws FaultRefused when it would be more
 * than the experiment's blast radius.
 */
export function pickJoining<T extends { id: string }>(found: readonly T[], { held, isFree }: { held: readonly string[]; isFree(one: T): boolean }, pick: Pick, run: string, radius: BlastRadius = usualBlastRadius): T[] {
  const others = found.filter(({ id }) => !held.includes(id))
  const count = Math.min(takes(pick, found.length), found.length)
  const joining = shuffled(others.filter(isFree), run).slice(0, Math.max(0, count - (found.length - others.length)))
  const tooMany = joining.length > 0 ? overCap(radius, count, found.length) : undefined
  if (tooMany !== undefined) throw new FaultRefused(tooMany)
  return joining
}

/** In an order that is the same for the same run. */
function shuffled<T extends { id: string }>(found: readonly T[], run: string): T[] {
  const order = ({ id }: T) => createHash('sha256').update(`${run}\n${id}`).digest('hex')
  return found.toSorted((a, b) => order(a) < order(b) ? -1 : 1)
}
