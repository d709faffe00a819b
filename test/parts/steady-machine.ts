import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { messageOf } from '#shared/errors.ts'

/** A pause as long as this is more than a busy machine's usual: the machine stood still, or had no processor to give. */
const pauseMs = 300
const mostTries = 3

/** In a thread of its own, which has nothing else to do: by how much it was woken later than it asked, at most, whenever it is asked. */
const watching = `
  const { parentPort } = require('node:worker_threads')
  let [lastMs, latestMs] = [performance.now(), 0]
  const look = () => { const nowMs = performance.now(); latestMs = Math.max(latestMs, nowMs - lastMs - 20); lastMs = nowMs }
  setInterval(look, 20)
  parentPort.on('message', () => { look(); parentPort.postMessage(latestMs) })
  parentPort.postMessage(0)`

/**
 * For what is promised within a second: when it failed while this machine itself paused, that says nothing, and it is tried again, twice at most. What fails
 * on a machine that goes on fails at once.
 */
export async function onSteadyMachine<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const watcher = new Worker(watching, { eval: true })
    const told = async (): Promise<number> => Number((await once(watcher, 'message'))[0])
    try {
      await told() // it watches
      return await attempt()
    } catch (error) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      watcher.postMessage('how late?')
      const pausedMs = await told()
      if (tries === mostTries || pausedMs < pauseMs) throw error
      console.log(`tried again, since this machine has paused for ${Math.round(pausedMs)} ms: ${messageOf(error)}`)
    } finally {
      await watcher.terminate()
    }
  }
}
