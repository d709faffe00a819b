/** `npm run crash-matrix`: what it takes is in `help`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { checkout } from '#shared/checkout.mjs'
import { messageOf } from '#shared/errors.ts'
import type { StoredFact } from '#shared/events.ts'
import { guestLacks, prepareGuest } from '../guest/guest.ts'
import { mostTries, watchPauses } from '../parts/steady-machine.ts'
import { playCell } from './cell.ts'
import type { CellResult } from './demands.ts'
import { folderInside, runInside } from './inside.ts'
import { printList, printProgress, printTable, summaryOf } from './report.ts'
import { startRig, type Rig } from './rig.ts'
import { allCells, inGuestOf, nameOf, sampleOf, shardOf, type Cell, type Shard } from './table.ts'

/** The disks of a rig are small, and what is left of one cell should hurt few others. */
const cellsOfOneRig = 20
const dayMs = 86_400_000

const help = `npm run crash-matrix -- [--cells PATTERN] [--sample N [--seed S]] [--shard I/N] [--minutes N] [--results FILE]... [--out FILE] [--json] [--list]

Every part disturbed in every way at every phase of a run, on real parts; as root. Without arguments every cell is played, the most telling first.

  --cells PATTERN   those whose name (part/disturbance/phase) matches the regular expression
  --sample N        N of them, by the seed. Of those that need no guest, unless --cells says of which
  --seed S          of the sample; today's date when left out
  --shard I/N       every Nth of them, from the Ith on: N such commands play them all, side by side where processors are free
  --minutes N       begins no cell after that
  --results FILE    keeps results as JSON; cells that are in it are not played again. Given several times (those of shards), all are read and the first is written
  --out FILE        writes the table there (docs/crash-matrix.md)
  --json            prints the results
  --list            only says which cells there are

Cells in which a server's clock jumps need a guest (test/guest/guest.ts), and are left out where there can be none.

Of a cell with a violation, logs and facts are kept in test-results/crash-matrix. One of which all that can be said is that something came late is played again, twice
at most, when this machine itself paused meanwhile.

Ends with 0 when no demand was violated, 1 when one was, 3 for arguments that mean nothing, 4 when the rig could not be brought up.
`

class ArgumentsInvalid extends Error {}

interface Arguments { cells: Cell[]; minutes: number; json: boolean; list: boolean; out?: string | undefined; results: readonly string[]; seed?: number | undefined }

function readArguments(args: string[]): Arguments | 'help' {
  const { values } = parseArgs({
    args, options: {
      help: { type: 'boolean', short: 'h', default: false },
      cells: { type: 'string', default: '' }, sample: { type: 'string' }, seed: { type: 'string' }, minutes: { type: 'string' }, shard: { type: 'string' },
      out: { type: 'string' }, results: { type: 'string', multiple: true, default: [] }, json: { type: 'boolean', default: false }, list: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const number = (name: string, text: string): number => {
    const found = Number(text)
    if (Number.isSafeInteger(found) && found >= 1) return found
    throw new ArgumentsInvalid(`--${name}: expected a whole number from 1 on, found ${JSON.stringify(text)}`)
  }
  const pattern = readPattern(values.cells)
  const matching = allCells().filter(cell => pattern.test(nameOf(cell)))
  if (matching.length === 0) throw new ArgumentsInvalid(`--cells ${values.cells}: no cell has such a name; --list shows all`)
  if (values.seed !== undefined && values.sample === undefined) throw new ArgumentsInvalid('--seed: chooses a sample; say how many with --sample')
  const sampled = values.cells === '' ? matching.filter(cell => !needsGuest(cell)) : matching
  const seed = values.sample === undefined ? undefined : number('seed', values.seed ?? String(Math.floor(Date.now() / dayMs)))
  const chosen = seed === undefined || values.sample === undefined ? matching : sampleOf(sampled, number('sample', values.sample), seed)
  return {
    cells: values.shard === undefined ? chosen : shardOf(chosen, readShard(values.shard)),
    minutes: values.minutes === undefined ? Infinity : number('minutes', values.minutes), json: values.json, list: values.list, out: values.out, results: values.results, seed,
  }
}

function readPattern(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    throw new ArgumentsInvalid(`--cells: ${messageOf(error)}`)
  }
}

function readShard(text: string): Shard {
  const [, index, of] = (/^([1-9]\d{0,3})\/([1-9]\d{0,3})$/.exec(text) ?? []).map(Number)
  if (index === undefined || of === undefined || index > of) throw new ArgumentsInvalid(`--shard: expected which one of how many, as 1/2, found ${JSON.stringify(text)}`)
  return { index, of }
}

async function runMatrix(folder: string, { cells, minutes, json, out, results: files, seed }: Arguments): Promise<number> {
  if (seed !== undefined) console.error(`crash-matrix: sample of ${cells.length} by seed ${seed}: ${cells.map(nameOf).join(', ')}`)
  const beganMs = performance.now()
  const results = readResults(files)
  const [file] = files
  const left = byGuest(cells.filter(cell => !results.some(({ cell: name }) => name === nameOf(cell))))
  let rig: Rig | undefined
  let isHurt = false
  let inGuest = ''
  let ofThisRig = 0
  let rigs = 0
  const rigFor = async (cell: Cell): Promise<Rig> => {
    const servers = inGuestOf(cell)
    if (rig && (ofThisRig >= cellsOfOneRig || inGuest !== servers.join() || isHurt)) {
      await rig[Symbol.asyncDispose]()
      rig = undefined
    }
    if (!rig) {
      inGuest = servers.join()
      rig = await startRig(join(folder, `rig-${++rigs}`), servers, doing => console.error(`crash-matrix: ${doing}`))
      ofThisRig = 0
    }
    ofThisRig += 1
    return rig
  }
  try {
    for (const [index, cell] of left.entries()) {
      if (performance.now() - beganMs > minutes * 60_000) break
      for (let tries = 1; ; tries++) {
        const own = await rigFor(cell)
        await using watcher = await watchPauses()
        const { result, facts } = await playCell(own, cell)
        const { hasPaused, longestMs } = await watcher.paused()
        console.error(printProgress(result, index + 1, left.length))
        isHurt = result.violations.length > 0
        if (isHurt) await keep(own, result.cell, facts)
        if (result.isOfPace && hasPaused && tries < mostTries) {
          console.error(`crash-matrix: ${result.cell} is played again, since this machine has paused for ${Math.round(longestMs)} ms`)
          continue
        }
        results.push(result)
        break
      }
      if (file !== undefined) writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`)
    }
  } finally {
    await rig?.[Symbol.asyncDispose]()
  }
  console.error(`crash-matrix: ${summaryOf(results)}; ${Math.round((performance.now() - beganMs) / 1_000)} s`)
  if (json) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`)
  if (out !== undefined) writeFileSync(out, printTable({ results, machine: machine(), date: new Date().toISOString().slice(0, 10) }))
  return results.some(({ violations }) => violations.length > 0) ? 1 : 0
}

/** Those that share a guest one after the other, and first those that need none: to boot one takes as long as two cells. */
const byGuest = (cells: readonly Cell[]): Cell[] => [...Map.groupBy(cells, cell => inGuestOf(cell).join()).entries()].toSorted(([a], [b]) => a.localeCompare(b)).flatMap(([, of]) => of)

/** Of a cell that several files have, the last one's result. */
function readResults(files: readonly string[]): CellResult[] {
  const found = files.filter(file => existsSync(file)).flatMap(file => JSON.parse(readFileSync(file, 'utf8')) as CellResult[])
  return [...new Map(found.map(result => [result.cell, result])).values()]
}

async function keep(rig: Rig, cell: string, facts: readonly StoredFact[]): Promise<void> {
  const folder = join(checkout, 'test-results/crash-matrix', cell.replaceAll('/', '-'))
  await rig.keepLogs(folder)
  writeFileSync(join(folder, 'facts.jsonl'), facts.map(({ stream, fact }) => `${JSON.stringify({ stream, ...fact })}\n`).join(''))
}

const needsGuest = (cell: Cell): boolean => inGuestOf(cell).length > 0

const machine = (): string => `${cpus().length} processors, Linux ${release().split('-')[0]}, Node ${process.version}`

async function main(args: string[]): Promise<number> {
  let read: Arguments | 'help'
  try {
    read = readArguments(args)
  } catch (error) {
    console.error(`crash-matrix: ${messageOf(error)} (--help shows what there is)`)
    return 3
  }
  if (read === 'help') {
    process.stdout.write(help)
    return 0
  }
  if (read.list) {
    console.log(printList(read.cells))
    return 0
  }
  const lacks = guestLacks()
  if (lacks !== undefined && read.cells.some(needsGuest)) {
    console.error(`crash-matrix: cells with clocks are left out: a guest ${lacks}`)
    read.cells = read.cells.filter(cell => !needsGuest(cell))
    if (read.cells.length === 0) return 4
  }
  const folder = folderInside()
  try {
    if (folder === undefined && read.cells.some(needsGuest)) await prepareGuest() // inside there is no network
    return folder === undefined ? await runInside(fileURLToPath(import.meta.url), args) : await runMatrix(folder, read)
  } catch (error) {
    console.error('crash-matrix:', error)
    return 4
  }
}

process.exitCode = await main(process.argv.slice(2))
