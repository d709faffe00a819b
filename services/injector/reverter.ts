/**
 * Ends one fault when nobody else does. Started before the fault, in a session of its own, it is told which one on its standard input, when the journal has it, and
 * nothing more: it reads the lease from the journal, and at the lease's or the duration's end undoes the fault, reads back, and writes down that it did
 * (reverter-life.ts). Until it is told it waits, and ends with whoever has started it: their pipe ends.
 *
 *     echo FAULT_ID | node reverter.ts JOURNAL_FOLDER        says `armed` on stdout, once
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { systemClock } from '#shared/clock.ts'
import { openJournal } from './journal.ts'
import { reverterLife } from './reverter-life.ts'
import { undoEntry } from './undo.ts'

const [folder = ''] = process.argv.slice(2)
let isTold = false
for (const signal of ['SIGHUP', 'SIGPIPE', 'SIGINT'] as const) process.on(signal, () => undefined)

const line = readFileSync(0, 'utf8') // everything is loaded by now; it waits in here, where SIGTERM still ends it
if (!line.endsWith('\n')) process.exit(0) // nobody is there any more who could begin a fault
const id = line.trim()
closeSync(0)
openSync('/dev/null', 'r') // takes its number, so that no file of ours ever is standard input
process.on('SIGTERM', () => { isTold = true }) // ends the fault now rather than leaving it

if (!existsSync(folder)) throw new Error(`no journal at ${folder}: it was removed before this started`) // opening would make it anew
const life = reverterLife({ id, journal: openJournal(folder), clock: systemClock, isTold: () => isTold, undo: undoEntry })
if (!life.isArmed) throw new Error(`no entry ${id} in ${folder}`)
writeSync(1, 'armed\n')
closeSync(1) // nobody's pipe is held open
openSync('/dev/null', 'w') // takes its number, so that no file of ours ever is standard output

await life.outlive()
process.exit(0)
