import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { endTree } from '#shared/process/process-tree.ts'
import { processesOf } from '../parts/belongings.ts'
import { mark, type Told } from './reporter.ts'
import type { Room } from './room.ts'

/** One test: a file, from the checkout's root, and its whole title. */
export interface NamedTest { file: string; title: string }

/**
 * `failed`: an assertion of the test does not hold; `why` is what it says. `broke`: it came to another end, such as by an error that it does not expect, by
 * time, or because it is not there or cannot be loaded: of what it tests that says nothing.
 */
export interface Outcome { is: 'passed' | 'failed' | 'broke' | 'skipped'; why: string; tookMs: number }

export interface TestRunOptions {
  /** For all of it: loading, `before`, the test, `after`. */
  limitMs: number
  /** Once the test has ended: for its `after`, and for what a failed one has left open. */
  graceMs?: number
  /** Ends it; it rejects then. */
  interrupted: AbortSignal
}

const keptOfErrors = 2_000
/** For what it has written last to come. */
const outputMs = 2_000

/** Runs it alone, on the room's sources, in a process of its own. Nothing that it started is left when this resolves. */
export async function runNamedTest({ file, title }: NamedTest, room: Room, { limitMs, graceMs = 10_000, interrupted }: TestRunOptions): Promise<Outcome> {
  interrupted.throwIfAborted()
  const beganMs = performance.now()
  const reporter = new URL('reporter.ts', import.meta.url).href
  const child = spawn(process.execPath, [`--test-reporter=${reporter}`, '--test-reporter-destination=stdout', `--test-name-pattern=^${escaped(title)}$`, file], {
    cwd: room.sources, env: room.environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true,
  })
  const closed = once(child, 'close')
  closed.catch(() => undefined) // whoever waits for its end hears of it
  const told: Told[] = []
  let errors = ''
  let isLate = false
  const end = () => void (child.pid !== undefined && child.exitCode === null && child.signalCode === null && endTree({ pid: child.pid }, { graceMs: 2_000 }))
  const late = setTimeout(() => { isLate = true; end() }, limitMs)
  let grace: NodeJS.Timeout | undefined
  createInterface({ input: child.stdout }).on('line', line => {
    if (!line.startsWith(mark)) return
    told.push(JSON.parse(line.slice(mark.length)) as Told)
    grace ??= setTimeout(end, graceMs)
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { errors = (errors + chunk).slice(-keptOfErrors) })
  interrupted.addEventListener('abort', end)
  try {
    await once(child, 'exit')
  } finally {
    clearTimeout(late)
    clearTimeout(grace)
    interrupted.removeEventListener('abort', end)
    for (const left of processesOf(room.folder)) await endTree(left, { graceMs: 0 }) // what services without a defence may leave
  }
  await Promise.race([closed, delay(outputMs, undefined, { ref: false })]) // somebody may still have its output open
  child.stdout.destroy()
  child.stderr.destroy()
  interrupted.throwIfAborted()
  const own = told.filter(({ name }) => name === title)
  const why = isLate ? `it had not ended after ${limitMs / 1_000} s` : own.length > 1 ? `there are ${own.length} tests of that title` : `no test of that title came to its end: ${errorIn(errors)}`
  const [only] = own.length === 1 ? own : []
  return { ...only ? { is: only.is, why: only.why } : { is: 'broke', why }, tookMs: Math.round(performance.now() - beganMs) }
}

/** Of what Node.js says of a file that it cannot load, the line that tells why. */
const errorIn = (text: string): string => text.split('\n').find(line => /Error\b/.test(line)) ?? text.trim()

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
