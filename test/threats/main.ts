import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { checkout } from '#shared/checkout.mjs'
import { messageOf } from '#shared/errors.ts'
import { interruptSignal } from '../../services/cli/interrupt.ts'
import { threatRows, untried } from './defences.ts'
import { printProgress, printTrials, summaryOf } from './report.ts'
import { isOnCluster, tryRow, type Row, type Trial } from './trial.ts'

const help = `npm run threats -- [--only ROW]... [--cluster] [--out FILE] [--list]

Takes the defences of THREATS.md out of a copy of the sources, one at a time, and runs the test that its row names: it must pass with the defence, and fail
by an assertion of its own without. Prints a table in Markdown; what is under way goes to standard error. All of it takes about a quarter of an hour.

  --only ROW   only this row, by its id in THREATS.md; may be given several times
  --cluster    the rows whose test needs a cluster, too: the one of the kubeconfig's current context, with faultline's images (npm run test:cluster says more)
  --out FILE   writes the table there as well
  --list       says which defences there are, and takes none out

Ends with 0 when each was seen to be missing, 1 when one was not, 3 for arguments that mean nothing, 4 when it was interrupted or could not go on.
`

/** Longer than the slowest of the tests takes on a slow machine. */
const limitMs = 300_000

class ArgumentsInvalid extends Error {}

interface Arguments { rows: Row[]; list: boolean; out: string | undefined; left: Row[] }

/** `left`: what needs a cluster, which is not to be used. */
function readArguments(args: string[]): Arguments | 'help' {
  const { values } = parseArgs({ args, options: {
    help: { type: 'boolean', short: 'h', default: false }, only: { type: 'string', multiple: true }, cluster: { type: 'boolean', default: false }, out: { type: 'string' }, list: { type: 'boolean', default: false },
  } })
  if (values.help) return 'help'
  const all = threatRows()
  const unknown = values.only?.find(id => !all.some(row => row.id === id))
  if (unknown !== undefined) throw new ArgumentsInvalid(`--only ${unknown}: THREATS.md has no such row; its rows are ${all.map(({ id }) => id).join(', ')}`)
  const asked = all.filter(({ id }) => values.only?.includes(id) ?? true)
  const left = values.cluster ? [] : asked.filter(({ test }) => isOnCluster(test))
  if (left.length > 0 && left.length === asked.length) throw new ArgumentsInvalid(`--only ${left.map(({ id }) => id).join(', ')}: needs a cluster; say --cluster as well`)
  return { rows: asked.filter(row => !left.includes(row)), left, list: values.list, out: values.out }
}

function printList(rows: readonly Row[]): string {
  return rows.flatMap(({ id, defences, test }) => defences.length === 0 ? [`${id}: none: ${untried[id] ?? ''}`] : defences.map(defence => `${id}: ${defence.name} (${(defence.test ?? test).file})`)).join('\n')
}

async function tryAll({ rows, left, out }: Arguments): Promise<number> {
  const interrupted = interruptSignal()
  const trials: Trial[] = []
  const count = rows.reduce((sum, { defences }) => sum + defences.length, 0)
  const beganMs = performance.now()
  const onTrial = (trial: Trial): void => {
    trials.push(trial)
    console.error(`threats: ${printProgress(trial, trials.length, count)}`)
  }
  try {
    for (const row of rows) {
      if (row.defences.length === 0) console.error(`threats: ${row.id}: nothing is taken out: ${untried[row.id] ?? ''}`)
      else await tryRow(row, { checkout, limitMs, interrupted, onTrial })
    }
  } finally { // what was tried before an interrupt is worth its time
    const table = printTrials(trials)
    process.stdout.write(table)
    if (out !== undefined) writeFileSync(out, table)
    for (const { id } of left) console.error(`threats: ${id}: not tried, since it needs a cluster (--cluster)`)
    console.error(`threats: ${summaryOf(trials)}; ${Math.round((performance.now() - beganMs) / 1_000)} s`)
  }
  return trials.every(({ is }) => is === 'seen') ? 0 : 1
}

async function main(args: string[]): Promise<number> {
  let read: Arguments | 'help'
  try {
    read = readArguments(args)
  } catch (error) {
    console.error(`threats: ${messageOf(error)} (--help shows what there is)`)
    return 3
  }
  if (read === 'help') {
    process.stdout.write(help)
    return 0
  }
  if (read.list) {
    console.log(printList([...read.rows, ...read.left]))
    return 0
  }
  try {
    return await tryAll(read)
  } catch (error) {
    console.error(`threats: ${messageOf(error)}`)
    return 4
  }
}

process.exitCode = await main(process.argv.slice(2))
