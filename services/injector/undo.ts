import { clockId } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import type { Observation } from './core.ts'
import { endDiversion } from './divert-deeds.ts'
import { isApiUndo, type JournalEntry, type Undo } from './journal.ts'
import { deleteTable } from './network-deeds.ts'
import { continueProcesses, endProcesses } from './process-deeds.ts'
import { deleteQueues } from './queue-deeds.ts'
import type { Seen } from './step-in-hand.ts'

/** Undoes all of a fault, last step first, and reads back whether it is gone. Repeatable, from any process; never rejects. */
export async function undoEntry(entry: Pick<JournalEntry, 'undos' | 'bootId'>): Promise<Observation> {
  const isOtherBoot = entry.bootId !== clockId
  const seen: Seen[] = []
  for (const undo of entry.undos.toReversed()) {
    if (isOtherBoot && !isApiUndo(undo)) seen.push({ verified: true, readBack: ['the machine has been started again since'] })
    else seen.push(await undoOne(undo).catch((error: unknown) => ({ verified: false, readBack: [messageOf(error)] })))
  }
  return { verified: seen.every(({ verified }) => verified), readBack: seen.flatMap(({ readBack }) => readBack), atMs: Date.now() }
}

async function undoOne(undo: Undo): Promise<Seen> {
  if (isApiUndo(undo)) return (await import('./cluster/undo.ts')).undoByApi(undo) // the client of the API is large, and seldom needed
  switch (undo.undo) {
    case 'nothing': return { verified: true, readBack: [] }
    case 'continue': return continueProcesses(undo)
    case 'end': return endProcesses(undo)
    case 'delete-table': return deleteTable(undo)
    case 'delete-queues': return deleteQueues(undo)
    case 'end-diversion': return endDiversion(undo)
  }
}
