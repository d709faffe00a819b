import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startWorker } from '../parts/worker.ts'

const faultline = fileURLToPath(new URL('../../services/cli/faultline.mjs', import.meta.url))
const experiment = (minimum: number, duration: string) => `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: pause-worker}
faults:
  - {kind: pause, target: {process: {match: faultline-test-worker}}, at: 1s, duration: ${duration}}
gates:
  - {name: works, promql: {query: 'sum(rate(work_done_total[3s]))', min: ${minimum}}}
  - {name: works-again, phase: recovery, promql: {query: 'sum(rate(work_done_total[3s]))', min: 1}}
hold: 4s
recovery: {within: 20s, stable: 1s}
`
interface Room { folder: string; file: string; worker: { pid: number; address: string; workerPid: () => number } }

/** A worker, and a folder that also holds the command's temporary files, so that what is left of them shows. */
async function inRoom(text: string, use: (room: Room) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'run-'))
  try {
    await using worker = await startWorker()
    const file = join(folder, 'experiment.yaml')
    writeFileSync(file, text)
    await use({ folder, file, worker })
    assert.deepEqual(readdirSync(folder).filter(name => name.startsWith('faultline-')), [], 'a temporary folder is left')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function start({ folder, file, worker }: Room): { child: ChildProcess; ended: Promise<{ code: number | null; out: string; err: string }> } {
  const child = spawn(process.execPath, [faultline, 'run', file, '--within', `worker=${worker.pid}`, '--scrape', worker.address, '--results', join(folder, 'results'), '--json'],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TMPDIR: folder } })
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => { out += String(chunk) })
  child.stderr.on('data', chunk => { err += String(chunk) })
  return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, out, err })) }
}

const stateOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '')[0]
async function until(what: string, holds: () => boolean, timeoutMs: number): Promise<number> {
  const startedMs = performance.now()
  while (!holds()) {
    if (performance.now() - startedMs > timeoutMs) assert.fail(`not within ${timeoutMs} ms: ${what}`)
    await delay(10)
  }
  return performance.now() - startedMs
}

/** Resolves when the fault is there; a command that ends before tells what it said. */
async function paused(room: Room, ended: Promise<{ code: number | null; out: string; err: string }>): Promise<void> {
  const early = ended.then(({ code, out, err }) => assert.fail(`ended with ${code} before the fault: ${err}${out}`))
  early.catch(() => undefined) // after the fault, its end is awaited elsewhere
  await Promise.race([until('the worker is paused', () => stateOf(room.worker.workerPid()) === 'T', 60_000), early])
}

test('an experiment whose gates hold exits 0, one whose gate breaks exits 1, and both replay to the same bytes', async () => {
  for (const [minimum, exitCode, verdict] of [[0, 0, 'passed'], [50, 1, 'failed']] as const) {
    await inRoom(experiment(minimum, '6s'), async room => {
      const { code, out, err } = await start(room).ended
      assert.equal(code, exitCode, err + out)
      const judgement = JSON.parse(out) as { run: string; verdict: string }
      assert.equal(judgement.verdict, verdict)
      const results = join(room.folder, 'results', judgement.run)
      assert.deepEqual(readdirSync(results).sort(), ['events.jsonl', 'junit.xml', 'report.html', 'report.json', 'report.md', 'verdict.json'])
      const replayed = await promisify(execFile)(process.execPath, [faultline, 'replay', results]).catch((error: { code: number; stdout: string }) => error)
      assert.match(replayed.stdout, new RegExp(`^${verdict}: byte-identical`))
      assert.notEqual(stateOf(room.worker.workerPid()), 'T')
    })
  }
})

test('SIGKILL of the command in mid-fault: the fault is reverted within its lease, and no process or folder is left', async () => {
  await inRoom(experiment(0, '60s'), async room => {
    const { child, ended } = start(room)
    await paused(room, ended)
    child.kill('SIGKILL')
    await ended
    const revertedAfterMs = await until('the worker goes on', () => stateOf(room.worker.workerPid()) !== 'T', 4_000)
    assert.ok(revertedAfterMs < 4_000)
    await until('the session\'s folder is gone', () => !readdirSync(room.folder).some(name => name.startsWith('faultline-') && readdirSync(join(room.folder, name)).length > 0), 15_000)
    for (const name of readdirSync(room.folder).filter(entry => entry.startsWith('faultline-'))) rmdirSync(join(room.folder, name)) // the empty parent, which the next session would remove
  })
})

test('SIGINT ends a run as inconclusive, with its fault reverted', async () => {
  await inRoom(experiment(0, '60s'), async room => {
    const { child, ended } = start(room)
    await paused(room, ended)
    child.kill('SIGINT')
    const { code, err } = await ended
    assert.equal(code, 2, err)
    assert.notEqual(stateOf(room.worker.workerPid()), 'T')
  })
})

test('an invalid file, an unknown command and a process that is not there exit 3 and start nothing', async () => {
  await inRoom('kind: Experiment\n', async room => {
    const { code, err } = await start(room).ended
    assert.equal(code, 3)
    assert.match(err, /experiment\.yaml:\d+:\d+/)
    writeFileSync(room.file, experiment(0, '5s'))
    assert.equal((await start({ ...room, worker: { ...room.worker, pid: 999_999_999 } }).ended).code, 3)
    const command = (...args: string[]) => promisify(execFile)(process.execPath, [faultline, ...args]).then(({ stderr }) => ({ code: 0, stderr }), (error: { code: number; stderr: string }) => error)
    const nothingOptedIn = await command('run', room.file)
    assert.deepEqual([nothingOptedIn.code, /--within NAME=PID/.test(nothingOptedIn.stderr)], [3, true], nothingOptedIn.stderr)
    writeFileSync(room.file, experiment(0, '5s').replace('hold:', "load: {users: 1, host: 'http://127.0.0.1:9', locustfile: gone.py}\nhold:"))
    const noLocustfile = await command('run', room.file, '--within', String(room.worker.pid))
    assert.deepEqual([noLocustfile.code, /there is no .*gone\.py/.test(noLocustfile.stderr)], [3, true], noLocustfile.stderr)
    const unknown = await promisify(execFile)(process.execPath, [faultline, 'no-such-command']).catch((error: { code: number }) => error)
    assert.equal('code' in unknown ? unknown.code : 0, 3)
  })
})
