import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'

/** Waits for interrupts beside a library that tidies up at a signal, and dies of it when it is the only listener left. */
const script = `
  import { interruptSignal } from ${JSON.stringify(new URL('../../services/cli/interrupt.ts', import.meta.url).href)}
  const interrupted = interruptSignal()
  const alone = () => {
    if (process.listeners('SIGINT').length > 1) return
    process.off('SIGINT', alone)
    console.log('tidied up')
    process.kill(process.pid, 'SIGINT')
  }
  process.on('SIGINT', alone)
  interrupted.addEventListener('abort', () => console.log('aborted'))
  setInterval(() => undefined, 1_000)
  console.log('ready')
`

test('the first interrupt aborts and the second ends the process, also beside a library that tidies up the terminal', async () => {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 })
  const said: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => said.push(...text.trim().split('\n')))
  const heard = async (word: string) => { while (!said.includes(word)) await once(child.stdout, 'data') }
  const ended = once(child, 'close') // when all that it said is read
  await heard('ready')
  child.kill('SIGINT')
  await heard('aborted')
  await new Promise(resolve => { setTimeout(resolve, 100) })
  assert.deepEqual([child.exitCode, child.signalCode], [null, null], 'it goes on')
  child.kill('SIGINT')
  assert.deepEqual(await ended, [null, 'SIGINT'])
  assert.deepEqual(said, ['ready', 'aborted', 'tidied up'])
})
