import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { onSteadyMachine } from '../parts/steady-machine.ts'

/** This process stands still, as if the machine did. */
async function pause(): Promise<void> {
  const other = spawn('sh', ['-c', `kill -STOP ${process.pid}; sleep 0.6; kill -CONT ${process.pid}`], { stdio: 'ignore' })
  await once(other, 'exit')
}

test('what fails while the machine pauses is tried again, and what it comes to then counts', async () => {
  let tries = 0
  const outcome = await onSteadyMachine(async () => {
    tries += 1
    if (tries > 1) return 'done'
    await pause()
    throw new Error('too late')
  })
  assert.deepEqual([outcome, tries], ['done', 2])
})

test('what fails again and again fails, paused or not', async () => {
  let tries = 0
  await assert.rejects(onSteadyMachine(async () => {
    tries += 1
    await pause()
    throw new Error('too late')
  }), /too late/)
  assert.equal(tries, 3)
  await assert.rejects(onSteadyMachine(() => Promise.reject(new Error('wrong'))), /wrong/)
})
