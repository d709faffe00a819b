import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { clockId } from '#shared/clock.ts'
import { startTicksOf } from '#shared/process/process-tree.ts'
import { entryId, openJournal, type Undo } from '../../services/injector/journal.ts'
import { startWorker } from '../parts/worker.ts'

const faultline = fileURLToPath(new URL('../../services/cli/faultline.mjs', import.meta.url))
const experiment = `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: pause-worker}
faults:
  - {kind: pause, target: {process: {match: faultline-test-worker}}, at: 0s, duration: 1s}
gates:
  - {name: works, promql: {query: 'sum(rate(work_done_total[3s]))', min: 0}}
hold: 3s
recovery: {within: 20s, stable: 1s}
`

/** A folder as a session leaves it when its keeper is gone and the journal still holds a pause of that process. */
function leaveJournal(temporary: string, pid: number, undo: Undo): string {
  const left = join(temporary, `faultline-${userInfo().uid}`, 'session-left')
  mkdirSync(left, { recursive: true, mode: 0o700 })
  writeFileSync(join(left, 'keeper.json'), JSON.stringify({ pid: 4_194_303, startTicks: 1 }))
  const startTicks = startTicksOf(pid) ?? 0
  const name = { run: 'earlier-run', fault: '1-pause' }
  openJournal(join(left, 'injector')).write({
    id: entryId(name), ...name, kind: 'pause', bootId: clockId, undos: [undo],
    targets: [{ id: `process:${pid}:${startTicks}`, pid, startTicks, description: 'left' }],
  })
  return left
}

async function runWith(undoOf: (pid: number) => Undo): Promise<{ code: number; out: string; left: string; folders: string[] }> {
  const temporary = mkdtempSync(join(tmpdir(), 'quarantine-'))
  try {
    await using worker = await startWorker()
    const left = leaveJournal(temporary, worker.workerPid(), undoOf(worker.workerPid()))
    const file = join(temporary, 'experiment.yaml')
    writeFileSync(file, experiment)
    const args = [faultline, 'run', file, '--allow', `worker=${worker.pid}`, '--scrape', worker.address, '--results', join(temporary, 'results'), '--json']
    const { code, out } = await new Promise<{ code: number; out: string }>(resolve => {
      execFile(process.execPath, args, { env: { ...process.env, TMPDIR: temporary } }, (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out: stdout + stderr }))
    })
    const sessions = join(temporary, `faultline-${userInfo().uid}`)
    return { code, out, left, folders: existsSync(sessions) ? readdirSync(sessions) : [] }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

test('a target whose revert an earlier session could not confirm is refused by the next, whose folder keeps the journal', async () => {
  const { code, out, left, folders } = await runWith(pid => ({ undo: 'delete-table', nft: '/nonexistent/nft', nsenter: '/nonexistent/nsenter', table: 'faultline_x', namespace: readlinkSync(`/proc/${pid}/ns/net`), process: { pid, startTicks: startTicksOf(pid) ?? 0 } }))
  assert.equal(code, 2, out)
  assert.match(out, /quarantined: the revert of earlier-run\/1-pause is not confirmed/)
  assert.equal(folders.length, 1, 'the journal is kept, in one place')
  assert.ok(!left.endsWith(folders[0] ?? ''), 'taken over from the folder that was left')
})

test('what an earlier session left is undone by the next, which then may use the target', async () => {
  const { code, out, folders } = await runWith(pid => ({ undo: 'continue', processes: [{ pid, startTicks: startTicksOf(pid) ?? 0 }], leave: [] }))
  assert.equal(code, 0, out)
  assert.deepEqual(folders, [])
})
