/** Nothing that the tests start outlives what runs them, on real processes of every kind that got away before. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { processesOf } from '../parts/belongings.ts'
import { temporaryFolder } from '../parts/child.ts'
import { until } from '../parts/until.ts'
import { commandLine } from '#shared/process/process-table.ts'
import { signalAll } from '#shared/process/process-tree.ts'

const here = (path: string) => JSON.stringify(resolve(import.meta.dirname, '..', path))
const node = JSON.stringify(process.execPath)

/** Runs one test file, as run.mjs does; what is to be done when all has ended says that it was. */
const runner = `
  import { spawn } from 'node:child_process'
  import { watchRun } from ${here('run-end.mjs')}
  const { ended, exit, atEnd } = watchRun(${node})
  atEnd(${node}, '--eval', 'require("node:fs").writeFileSync("at-end", "")')
  const { status } = await ended(spawn(${node}, ['--test', 'some.test.mjs'], { stdio: 'ignore' }))
  await exit(status ?? 1)
`

/** Its test never ends, and has started: a child, one in a session of its own without its environment, one whose parent has ended, one that is stopped. */
const testFile = (more: string) => `
  import { spawn, spawnSync } from 'node:child_process'
  import { writeFileSync } from 'node:fs'
  import { test } from 'node:test'
  test('it never ends', async () => {
    const start = (...argv) => spawn(argv[0], argv.slice(1), { detached: true, stdio: 'ignore' })
    spawn('sleep', ['601'], { stdio: 'ignore' })
    start('env', '-i', '/bin/sleep', '602')
    spawnSync('sh', ['-c', 'setsid sleep 603 >/dev/null 2>&1 &'])
    start('sh', '-c', 'kill -STOP $$; sleep 604')
    ${more}
    writeFileSync('begun', '')
    await new Promise(resolve => setTimeout(resolve, 600_000))
  })
`

const sleeping = (folder: string, seconds: number) => processesOf(folder).find(({ pid }) => commandLine(pid).endsWith(`sleep ${seconds}`))

/** `ended`: its exit code and signal. Disposal kills what it has left after all. */
interface Run extends Disposable { child: ChildProcess; ended: Promise<unknown[]> }

/** Gives the runner once its test has started all. */
async function startRun(folder: string, more = ''): Promise<Run> {
  writeFileSync(join(folder, 'run.mjs'), runner)
  writeFileSync(join(folder, 'some.test.mjs'), testFile(more))
  const { NODE_TEST_CONTEXT: _, ...env } = process.env // else its test would report to this one
  const child = spawn(process.execPath, ['run.mjs'], { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  await until('the test has begun', () => existsSync(join(folder, 'begun')) && [601, 602, 603].every(seconds => sleeping(folder, seconds)), 60_000)
  return { child, ended, [Symbol.dispose]: () => killAll(folder) }
}

const killAll = (folder: string) => signalAll(processesOf(folder), 'SIGKILL')

const leftIn = (folder: string) => processesOf(folder).map(({ pid, state }) => `${pid} ${state} ${commandLine(pid)}`)

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`a run that gets ${signal} alone ends with 128 and its number when nothing is left that it started`, async () => {
    using folder = temporaryFolder('faultline-run-end')
    using run = await startRun(folder.path)
    const { child, ended } = run
    child.kill(signal)
    assert.deepEqual(await ended, [128 + constants.signals[signal], null])
    assert.deepEqual(leftIn(folder.path), [])
    assert.ok(existsSync(join(folder.path, 'at-end')), 'what was to be done at the end was done')
  })
}

test('a run that is killed leaves nothing either, not even what ends at no SIGTERM', async () => {
  using folder = temporaryFolder('faultline-run-end')
  using run = await startRun(folder.path, `start('sh', '-c', 'trap "" TERM; echo > trapped; while :; do sleep 1; done'); while (!(await import('node:fs')).existsSync('trapped')) await new Promise(resolve => setTimeout(resolve, 10))`)
  run.child.kill('SIGKILL')
  await run.ended
  await until('nothing is left', () => leftIn(folder.path).length === 0, 30_000, { now: () => leftIn(folder.path).join('; ') })
  assert.ok(existsSync(join(folder.path, 'at-end')))
})

test('what a killed node --test has left is ended at the end of the run', async () => {
  using folder = temporaryFolder('faultline-run-end')
  using run = await startRun(folder.path)
  const [tests] = processesOf(folder.path).filter(({ pid }) => commandLine(pid).includes(' --test some.test.mjs'))
  assert.ok(tests)
  process.kill(tests.pid, 'SIGKILL')
  assert.deepEqual(await run.ended, [1, null])
  assert.deepEqual(leftIn(folder.path), [])
})

test('npm test itself, told to end, ends its first command, and begins no other', async () => {
  using folder = temporaryFolder('faultline-run-end')
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const child = spawn('node', [resolve(import.meta.dirname, '../run.mjs'), 'units'], { env: { ...env, MARKER: folder.path }, stdio: 'ignore' })
  using _left = { [Symbol.dispose]: () => killAll(folder.path) }
  const ended = once(child, 'exit')
  await until('the types are checked', () => processesOf(folder.path).some(({ pid }) => commandLine(pid).includes('tsc')), 60_000)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [143, null])
  assert.deepEqual(leftIn(folder.path), [])
})

test('a signal to npm reaches what runs the tests: no shell stands between them', () => {
  const { scripts } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8')) as { scripts: Record<string, string> }
  assert.match(scripts['test'] ?? '', / && exec node test\/run\.mjs$/)
  assert.match(scripts['test:cluster'] ?? '', / && exec node test\/cluster\/run\.mjs$/)
})
