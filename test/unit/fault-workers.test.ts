import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { findProcess, readProcess, type ProcessId } from '#shared/process/process-table.ts'
import { FaultRefused } from '../../services/injector/fault-refused.ts'
import { startWorkers } from '../../services/injector/fault-workers.ts'
import type { ActContext } from '../../services/injector/step-in-hand.ts'
import { until } from '../parts/until.ts'

/** An agent's hands, and a target; the programs that were started end with the test. */
async function stage(t: TestContext, more: Partial<ActContext> = {}): Promise<{ target: ProcessId; context: ActContext; journaled: ProcessId[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-workers-'))
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const [target, reverter] = [readProcess(child.pid ?? 0), readProcess(process.pid)]
  assert.ok(target && reverter)
  const journaled: ProcessId[] = []
  t.after(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    await until('the programs see that their target is gone, or were killed', () => !journaled.some(findProcess), 10_000)
    rmSync(folder, { recursive: true })
  })
  return { target, journaled, context: {
    folder, id: 'f', lease: { leaseEndsMs: 0, endsMs: 0 }, reverter, shelter: undefined, requireTimeLeft: () => 1_000, onEndedEarly: () => undefined,
    record: undo => { if (undo.undo === 'end') journaled.push(...undo.processes) }, ...more,
  } }
}

const residentKb = (pid: number) => Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
/** Without a lease on disk it ends as soon as it is told to begin. */
const burner = { program: 'burner', settings: 100, count: 1, launcher: [] } as const

test('what a program takes to start is behind it when it is told to begin, so that it is no evidence of its burning', { timeout: 30_000 }, async t => {
  const { target, context } = await stage(t)
  const placedAt: number[] = []
  const { processes } = await startWorkers({ ...burner, count: 2, target, async place(pid) { placedAt.push(readProcess(pid)?.cpuTicks ?? 0) } }, context)
  for (const ticks of [...placedAt, ...processes.map(({ cpuTicks }) => cpuTicks)]) assert.ok(ticks >= 2, `counted from ${ticks} ticks, and Node.js alone takes more`)
})

test('a program is sheltered before it takes any memory, which would be charged to the agent, and is the same process afterwards', { timeout: 30_000 }, async t => {
  const sheltered: { pid: number; startTicks: number; kb: number }[] = []
  const { target, context, journaled } = await stage(t, { async shelter({ pid, startTicks }) { sheltered.push({ pid, startTicks, kb: residentKb(pid) }) } })
  let upKb = 0
  await startWorkers({ ...burner, target, async place(pid) { upKb = residentKb(pid) } }, context)
  t.diagnostic(`${sheltered[0]?.kb} kB as it was sheltered, ${upKb} kB when it is up`)
  assert.ok((sheltered[0]?.kb ?? Infinity) < 2_000 && upKb > 4_000)
  assert.deepEqual(journaled, sheltered.map(({ pid, startTicks }) => ({ pid, startTicks })))
})

test('when one cannot be sheltered none begins, and none is left', { timeout: 30_000 }, async t => {
  const seen: ProcessId[] = []
  const { target, context, journaled } = await stage(t, { async shelter(found) {
    seen.push({ pid: found.pid, startTicks: found.startTicks })
    if (seen.length === 2) throw new FaultRefused('it is still in the agent\'s pod')
  } })
  await assert.rejects(startWorkers({ ...burner, count: 3, target }, context), /still in the agent's pod/)
  assert.deepEqual([seen.length, journaled], [2, []])
  await until('they are gone', () => !seen.some(findProcess), 10_000)
})
