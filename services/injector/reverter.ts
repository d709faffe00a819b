/**
 * Ends one fault when nobody else does. Started before the fault, in a session of its own, and told nothing: it reads the lease from
 * the journal, and at the lease's or the duration's end undoes the fault, reads back, and writes down that it did (reverter-life.ts).
 *
 *     node reverter.ts JOURNAL_FOLDER FAULT_ID        says `armed` on stdout, once
 */
import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { systemClock } from '#shared/clock.ts'
import { openJournal } from './journal.ts'
import { reverterLife } from './reverter-life.ts'
import { undoEntry } from './undo.ts'

const [folder = '', id = ''] = process.argv.slice(2)
let isTold = false
for (const signal of ['SIGHUP', 'SIGPIPE', 'SIGINT'] as const) process.on(signal, () => undefined)
process.on('SIGTERM', () => { isTold = true }) // ends the fault now rather than leaving it

if (!existsSync(folder)) throw new Error(`no journal at ${folder}: it was removed before this started`) // opening would make it anew
const life = reverterLife({ id, journal: openJournal(folder), clock: systemClock, isTold: () => isTold, undo: undoEntry })
if (!life.isArmed) throw new Error(`no entry ${id} in ${folder}`)
writeSync(1, 'armed\n')
closeSync(1) // nobody's pipe is held open
openSync('/dev/null', 'w') // takes its number, so that no file of ours ever is standard output

await life.outlive()
process.exit(0)
