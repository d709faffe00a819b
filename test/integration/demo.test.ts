import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { commandLine, descendantsOf, findProcess, isStopped, readProcess, readProcesses, type ProcessEntry } from '#shared/process/process-table.ts'
import { listenersOf, processesOf, untilNothingIsLeft } from '../parts/belongings.ts'
import { before, runFaultline, startFaultline, type FaultlineCommand } from '../parts/faultline-command.ts'
import { seededRandom, shuffled, testSeed } from '../parts/seeded-random.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { until } from '../parts/until.ts'
import { readWire, tapSession, type WireMessage } from '../parts/wire-tap.ts'

const leaseMs = 3_000
const seed = testSeed()
const everyFile = ['events.jsonl', 'junit.xml', 'locust-stats.json', 'report.html', 'report.json', 'report.md', 'verdict.json']

/** What both acts together show on the wire. The rest of the catalogue is for runs that are refused, or lose their agent, or end by time. */
const shown = [
  'fact run.submitted', 'fact run.phase', 'fact run.aborting', 'fact run.sealed', 'fact run.judged', 'fact fault.injected', 'fact fault.reverted',
  'fact load.state', 'fact load.sample', 'fact load.stats', 'fact gate.status', 'fact gate.closed', 'fact slo.answer', 'fact slo.tick', 'fact slo.history',
  'command plan', 'reply plan', 'command inject', 'reply inject', 'command load-start', 'reply load-start', 'command load-stop', 'reply load-stop',
  'signal heartbeat', 'signal abort', 'signal aborted', 'signal halted', 'signal agent',
]

const demoSchema = z.object({
  asExpected: z.boolean(),
  runs: z.tuple([act('worker-kill', 'passed'), act('database-pause', 'failed')]),
})

function act(experiment: string, verdict: string) {
  const timing = z.number().nullable()
  return z.object({
    folder: z.string(),
    judgement: z.object({
      experiment: z.literal(experiment), verdict: z.literal(verdict), revertUnconfirmed: z.literal(false),
      timings: z.object({ breachToAbortMs: timing, breachToRevertedMs: timing }),
    }),
  })
}

interface Stage extends Disposable { temporary: string; results: string }

function setStage(): Stage {
  const folder = mkdtempSync(join(tmpdir(), 'demo-'))
  const [temporary, results] = [join(folder, 'temporary'), join(folder, 'results')]
  mkdirSync(temporary)
  return { temporary, results, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}

const startDemo = ({ temporary, results }: Stage, ...options: string[]) => startFaultline(['demo', ...options, '--json', '--results', results], { temporary })

/** Of a demo that did not go as expected: why, in a line for each run. */
function summaryOf(out: string): string {
  const runs = z.object({ runs: z.array(z.object({ judgement: z.object({ experiment: z.string(), verdict: z.string(), reasons: z.array(z.string()) }) })) }).safeParse(out.startsWith('{') ? JSON.parse(out) : undefined)
  return runs.data?.runs.map(({ judgement: { experiment, verdict, reasons } }) => `${experiment} is ${verdict}: ${reasons.join('; ')}`).join('\n') ?? out
}

/** Both verdicts, both reports, the bar of the database's breach, and nothing left. Prints what was measured. */
async function asPromised(demo: FaultlineCommand, { temporary, results }: Stage, say: (line: string) => void): Promise<string[]> {
  const { code, out, err } = await demo.ended
  assert.equal(code, 0, err + summaryOf(out))
  const { asExpected, runs } = demoSchema.parse(JSON.parse(out))
  const { breachToAbortMs, breachToRevertedMs } = runs[1].judgement.timings
  say(`database-pause: breach to abort ${breachToAbortMs} ms, breach to reverted ${breachToRevertedMs} ms`)
  assert.ok(asExpected)
  assert.ok(breachToAbortMs !== null && breachToRevertedMs !== null && breachToRevertedMs < 1_000, `breach to abort ${breachToAbortMs} ms, to reverted ${breachToRevertedMs} ms`)
  const folders = runs.map(({ folder }) => folder)
  assert.deepEqual(readdirSync(results).sort(), folders.map(folder => basename(folder)).sort())
  for (const folder of folders) assert.deepEqual(readdirSync(folder).sort(), everyFile)
  await untilNothingIsLeft(temporary, new Set(), 5_000)
  return folders
}

/** As it is, and with the lines of its log shuffled and doubled. */
async function replaysToTheSameBytes(folder: string, stage: Stage): Promise<void> {
  const lines = readFileSync(join(folder, 'events.jsonl'), 'utf8').trimEnd().split('\n')
  const copy = join(stage.temporary, 'shuffled')
  cpSync(folder, copy, { recursive: true })
  writeFileSync(join(copy, 'events.jsonl'), shuffled([...lines, ...lines], seededRandom(seed)).map(line => `${line}\n`).join(''))
  for (const where of [folder, copy]) {
    const { out, err } = await runFaultline(['replay', where], stage)
    assert.match(out, /^(passed|failed): byte-identical/, `${err}; FAULTLINE_TEST_SEED=${seed}`)
  }
  rmSync(copy, { recursive: true })
}

/** Whose commands the injector obeys, from its own environment. */
function commandKeyOf({ temporary }: Stage): string | undefined {
  const injector = processesOf(temporary).find(({ pid }) => commandLine(pid).endsWith('injector/main.ts'))
  return injector && /FAULTLINE_COMMANDS_PUBLIC_KEY=([A-Z0-9]+)/.exec(readFileSync(`/proc/${injector.pid}/environ`, 'latin1'))?.[1]
}

/** The session's PostgreSQL with all that belongs to it, all of it paused; and where anything of the session listens. */
async function databasePaused(demo: FaultlineCommand, stage: Stage): Promise<{ paused: ProcessEntry[]; listeners: Set<string> }> {
  const findServer = () => readProcesses().find(({ pid, name }) => name === 'postgres' && commandLine(pid).includes(stage.temporary))
  let server: ProcessEntry | undefined
  await before(demo.ended, until('PostgreSQL is there', () => (server = findServer()) !== undefined, 60_000, { lookMs: 100 }), 'PostgreSQL')
  const { pid = 0 } = server ?? {}
  await before(demo.ended, until('PostgreSQL is paused', () => {
    const entry = readProcess(pid)
    return entry !== undefined && isStopped(entry)
  }, 120_000), 'the second act\'s fault')
  const table = readProcesses()
  return { paused: [...table.filter(entry => entry.pid === pid), ...descendantsOf(pid, table)], listeners: listenersOf(processesOf(stage.temporary)) }
}

const stillPaused = (processes: readonly ProcessEntry[]) => processes.filter(id => {
  const entry = findProcess(id)
  return entry !== undefined && isStopped(entry)
})

test('the embedded demo passes and fails as it should, reverts within a second of the breach, leaves nothing, and both its runs replay to the same bytes', t => onSteadyMachine(async () => {
  using stage = setStage()
  const say = (line: string) => t.diagnostic(line)
  await using demo = startDemo(stage, '--embedded')
  for (const folder of await asPromised(demo, stage, say)) await replaysToTheSameBytes(folder, stage)
}))

test('the demo of four processes does the same, and every message on its wire is in the catalogue and from whom the catalogue says', t => onSteadyMachine(async () => {
  using stage = setStage()
  const say = (line: string) => t.diagnostic(line)
  await using demo = startDemo(stage, '--processes')
  let messages: readonly WireMessage[] = []
  let commandKey = ''
  let folders: string[]
  {
    await using tap = await before(demo.ended, tapSession(stage.temporary), 'its nats-server')
    messages = tap.messages
    await before(demo.ended, until('the injector is a process of its own', () => (commandKey = commandKeyOf(stage) ?? '') !== '', 30_000), 'its injector')
    folders = await asPromised(demo, stage, say)
  }
  const { seen, factIds, problems } = readWire(messages, commandKey)
  say(`${messages.length} messages on the wire, ${factIds.size} facts`)
  assert.deepEqual(problems.slice(0, 10), [], `${problems.length} of ${messages.length} messages`)
  assert.deepEqual(shown.filter(kind => !seen.has(kind)), [], 'not seen on the wire')
  const recorded = folders.flatMap(folder => readFileSync(join(folder, 'events.jsonl'), 'utf8').trimEnd().split('\n').map(line => z.object({ fact: z.object({ id: z.string() }) }).parse(JSON.parse(line)).fact.id))
  assert.deepEqual(recorded.filter(id => !factIds.has(id)), [], 'the tap has missed facts, so it proves nothing')
  for (const folder of folders) await replaysToTheSameBytes(folder, stage)
}))

test('SIGINT of the demo while the database is paused ends it within seconds, not as a success, with nothing paused or left', t => onSteadyMachine(async () => {
  using stage = setStage()
  await using demo = startDemo(stage, '--embedded')
  const { paused, listeners } = await databasePaused(demo, stage)
  const startedMs = performance.now()
  demo.child.kill('SIGINT')
  const { code, err } = await demo.ended
  t.diagnostic(`ended with ${code}, ${Math.round(performance.now() - startedMs)} ms after SIGINT`)
  assert.equal(code, 2, err)
  assert.ok(performance.now() - startedMs < 10_000, `it took ${Math.round(performance.now() - startedMs)} ms`)
  assert.ok(paused.length > 1, 'the postmaster alone is not the database')
  assert.deepEqual(stillPaused(paused), [])
  await untilNothingIsLeft(stage.temporary, listeners, 5_000)
}))

test('SIGKILL of the demo of four processes while the database is paused: no pause is left after lease + 1 s, and then nothing at all', t => onSteadyMachine(async () => {
  using stage = setStage()
  await using demo = startDemo(stage, '--processes')
  const { paused, listeners } = await databasePaused(demo, stage)
  demo.child.kill('SIGKILL')
  const goesOnMs = await until('nothing of PostgreSQL is paused', () => stillPaused(paused).length === 0, leaseMs + 1_000)
  const goneMs = await untilNothingIsLeft(stage.temporary, listeners, 30_000)
  t.diagnostic(`not paused any more ${Math.round(goesOnMs)} ms after SIGKILL, nothing left ${Math.round(goneMs)} ms after that`)
}))
