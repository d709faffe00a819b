/**
 * `npm run bench`: what is measured, one bench after another, as Markdown on standard output; --help says what may be asked for.
 *
 * Ends with 0 when every bar is met, 1 when one was missed, 3 for arguments that mean nothing, 4 when something could not be measured, 130 at Ctrl-C.
 */
import { cpus, loadavg, release, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { messageOf } from '#shared/errors.ts'
import { interruptSignal } from '../../services/cli/interrupt.ts'
import type { Bench, BenchContext } from './bench.ts'
import { breach, wayNames } from './breach.ts'
import { gates } from './gates-process.ts'
import { idle } from './idle.ts'
import { injection } from './injection.ts'
import { locust } from './locust.ts'

const benches: readonly Bench[] = [gates, injection, idle, locust, breach]
const usualRuns = 30

const help = `npm run bench -- [options]

  --only NAME[,NAME]    only these, in this order:
${benches.map(({ name, summary }) => `                          ${name.padEnd(11)}${summary}`).join('\n')}
  --runs N              how often each thing is measured (${usualRuns}); the idle agent for 2 s each, Locust in a third as many pairs
  --ways NAME[,NAME]    of the breach, only these ways of ending it: ${wayNames.join(', ')}
  --cells all|quick     of the gates, all simulated cells or a few

All of it takes some 25 minutes; on a machine with other work to do its figures say little. Exit code: 0 every bar is met, 1 one was missed.
`

class ArgumentsInvalid extends Error {}

type Arguments = { help: true } | { help: false; chosen: readonly Bench[]; options: Pick<BenchContext, 'runs' | 'cells' | 'ways'> }

function readArguments(args: string[]): Arguments {
  const { values } = parseArgs({
    args, options: { only: { type: 'string' }, runs: { type: 'string', default: String(usualRuns) }, ways: { type: 'string' }, cells: { type: 'string', default: 'all' }, help: { type: 'boolean', default: false } },
  })
  if (values.help) return { help: true }
  const { cells } = values
  if (cells !== 'all' && cells !== 'quick') throw new ArgumentsInvalid(`--cells: expected all or quick, found ${cells}`)
  const runs = Number(values.runs)
  if (!Number.isSafeInteger(runs) || runs < 1) throw new ArgumentsInvalid(`--runs: expected a whole number from 1 on, found ${JSON.stringify(values.runs)}`)
  const names = listOf('only', values.only, benches.map(({ name }) => name))
  const ways = listOf('ways', values.ways, wayNames)
  return { help: false, chosen: names.flatMap(name => benches.filter(bench => bench.name === name)), options: { runs, cells, ways: name => ways.includes(name) } }
}

/** All that are known when nothing is said. */
function listOf(option: string, text: string | undefined, known: readonly string[]): readonly string[] {
  const names = text?.split(',').map(name => name.trim()) ?? known
  const [unknown] = names.filter(name => !known.includes(name))
  if (unknown !== undefined) throw new ArgumentsInvalid(`--${option}: expected some of ${known.join(', ')}, found ${JSON.stringify(unknown)}`)
  return names
}

const machine = (): string => {
  const [minute = 0] = loadavg()
  return `${cpus().length} processors (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release().split('-')[0]}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}; `
    + `load average of the minute before: ${minute.toFixed(2)}`
}

async function main(args: string[]): Promise<number> {
  let read: Arguments
  try {
    read = readArguments(args)
  } catch (error) {
    console.error(`bench: ${messageOf(error)}; --help says more`)
    return 3
  }
  if (read.help) {
    console.log(help)
    return 0
  }
  const signal = interruptSignal()
  const context: BenchContext = { ...read.options, signal, print: line => console.log(line), tell: doing => console.error(`bench: ${doing}`) }
  const missed: string[] = []
  console.log(`Machine: ${machine()}.`)
  for (const { name, summary, run } of read.chosen) {
    console.log(`\n## ${name}: ${summary}\n`)
    try {
      missed.push(...await run(context))
    } catch (error) {
      if (signal.aborted) return 130
      console.error(`bench: ${name}:`, error)
      return 4
    }
  }
  console.log(missed.length === 0 ? '\nEvery bar is met.' : `\nMissed:\n${missed.map(each => `- ${each}`).join('\n')}`)
  return missed.length === 0 ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
