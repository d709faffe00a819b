import { Worker } from 'node:worker_threads'
import { messageOf } from '#shared/errors.ts'

/** A pause as long as this is more than a busy machine's usual: the machine stood still, or had no processor to give. */
const pauseMs = 300
const mostTries = 3

/** In a thread of its own, which has nothing else to do: by how much it was woken later than it asked, at most. */
const watching = `
  const latest = new Float64Array(require('node:worker_threads').workerData)
  let lastMs = performance.now()
  setInterval(() => { const nowMs = performance.now(); latest[0] = Math.max(latest[0], nowMs - lastMs - 20); lastMs = nowMs }, 20)`

/**
 * For what is promised within a second: when it failed while this machine itself paused, that says nothing, and it is tried again, twice at most. What fails
 * on a machine that goes on fails at once.
 */
export async function onSteadyMachine<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const latest = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT))
    const watcher = new Worker(watching, { eval: true, workerData: latest.buffer })
    try {
      return await attempt()
    } catch (error) {
      const [pausedMs = 0] = latest
      if (tries === mostTries || pausedMs < pauseMs) throw error
      console.log(`tried again, since this machine has paused for ${Math.round(pausedMs)} ms: ${messageOf(error)}`)
    } finally {
      await watcher.terminate()
    }
  }
}
