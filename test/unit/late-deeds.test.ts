import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { findProcess, isStopped, readProcess, type ProcessId } from '#shared/process/process-table.ts'
import type { BoundProcess } from '#shared/target.ts'
import { FaultRefused } from '../../services/injector/fault-refused.ts'
import type { Undo } from '../../services/injector/journal.ts'
import { prepareKill, preparePause } from '../../services/injector/process-deeds.ts'
import type { StepInHand } from '../../services/injector/step-in-hand.ts'
import { prepareBurn } from '../../services/injector/stress-deeds.ts'

/** A process that does nothing, and ends with the test. */
async function idle(t: TestContext): Promise<BoundProcess> {
  const child = spawn('sleep', ['60'])
  t.after(async () => {
    const ended = once(child, 'exit')
    if (child.kill('SIGKILL')) await ended
  })
  await once(child, 'spawn')
  const { pid = 0 } = child
  return { id: `process:${pid}`, pid, startTicks: readProcess(pid)?.startTicks ?? 0, description: 'sleep' }
}

/** Does the step of an agent whose fault is over by then. Resolves to what it has journaled. */
async function doTooLate(t: TestContext, step: StepInHand): Promise<Undo[]> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-late-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const journaled: Undo[] = []
  const reverter = readProcess(process.pid)
  assert.ok(reverter)
  await assert.rejects(step.act({
    folder, id: 'late', lease: { leaseEndsMs: 0, endsMs: 0 }, reverter, shelter: undefined, record: undo => journaled.push(undo), onEndedEarly: () => undefined,
    requireTimeLeft() { throw new FaultRefused('its lease ran out before all of it was there') },
  }), /its lease ran out/)
  return journaled
}

test('a process is not stopped when the fault is over', async t => {
  const target = await idle(t)
  await doTooLate(t, preparePause(target))
  const now = findProcess(target)
  assert.ok(now)
  assert.equal(isStopped(now), false)
})

test('a process is not killed when the fault is over', async t => {
  const target = await idle(t)
  await doTooLate(t, prepareKill({ do: 'kill', signal: 'SIGKILL', tree: false, lease: 'none' }, target))
  assert.ok(findProcess(target))
})

test('a program that burns processor time is journaled, and never told to begin when the fault is over', { timeout: 20_000 }, async t => {
  const target = await idle(t)
  const journaled = await doTooLate(t, prepareBurn({ do: 'burn-cpu', workers: 1, loadPercent: 10, lease: 'reverter' }, target))
  const burners = journaled.flatMap(undo => undo.undo === 'end' ? undo.processes : [])
  assert.equal(burners.length, 1)
  await untilEnded(burners)
})

/** It was killed by then, and its parent, which is this process, is still to hear of it. */
async function untilEnded(processes: readonly ProcessId[]): Promise<void> {
  while (processes.some(findProcess)) await new Promise(resolve => { setImmediate(resolve) })
}
