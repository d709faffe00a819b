import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { findProcess, isStopped, readProcess } from '#shared/process/process-table.ts'
import type { BoundProcess } from '#shared/target.ts'
import { prepareStep, prepareWhileThere } from '../../services/injector/process-steps.ts'
import type { ActContext } from '../../services/injector/step-in-hand.ts'

const pause = { do: 'pause-tree', lease: 'reverter' } as const
const context: ActContext = {
  folder: '', id: '', lease: { leaseEndsMs: 0, endsMs: 0 }, reverter: undefined, shelter: undefined, record: () => undefined, onEndedEarly: () => undefined, requireTimeLeft: () => 1_000,
}

/** As the command of a probe, which ends when it likes: at the latest with the test. */
async function startPassing(t: TestContext): Promise<{ target: BoundProcess; end(): Promise<void> }> {
  const child: ChildProcess = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const { pid = 0 } = child
  const ended = once(child, 'exit')
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
  }
  t.after(end)
  return { target: { id: `process:${pid}`, pid, startTicks: readProcess(pid)?.startTicks ?? 0, description: 'sleep' }, end }
}

test('a process that ends by itself before the act spoils no fault, and one that is there is paused', async t => {
  const [gone, there] = [await startPassing(t), await startPassing(t)]
  const steps = [gone, there].flatMap(({ target }) => prepareWhileThere(pause, target, 'x'))
  const strict = prepareStep(pause, gone.target, 'x')
  await gone.end()
  const seen = await Promise.all(steps.map(step => step.act(context)))
  assert.deepEqual(seen.map(({ verified }) => verified), [true, true])
  assert.match(seen[0]?.readBack[0] ?? '', /has ended by itself$/)
  const now = findProcess(there.target)
  assert.ok(now && isStopped(now))
  assert.deepEqual(prepareWhileThere(pause, gone.target, 'x'), [], 'there is nothing to be prepared either')
  await assert.rejects(strict.act(context), /has ended/, 'what a container begins with is another matter')
})

test('whatever else is wrong with such a process is told as of any other', async t => {
  const { target } = await startPassing(t)
  const [step] = prepareWhileThere(pause, target, 'x')
  await assert.rejects(step?.act({ ...context, requireTimeLeft() { throw new Error('too late') } }) ?? Promise.resolve(), /too late/)
})
