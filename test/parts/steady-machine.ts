import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { messageOf } from '#shared/errors.ts'

/** A pause as long as this is more than a busy machine's usual: the machine stood still, or had no processor to give. */
const pauseMs = 300
export const mostTries = 3

/** In a thread of its own, which has nothing else to do: by how much it was woken later than it asked, at most, whenever it is asked. */
const watching = `
  const { parentPort } = require('node:worker_threads')
  let [lastMs, latestMs] = [performance.now(), 0]
  const look = () => { const nowMs = performance.now(); latestMs = Math.max(latestMs, nowMs - lastMs - 20); lastMs = nowMs }
  setInterval(look, 20)
  parentPort.on('message', () => { look(); parentPort.postMessage(latestMs) })
  parentPort.postMessage(0)`

export interface PauseWatcher extends AsyncDisposable {
  /** Whether this machine paused since it is watched, and for how long at most. */
  paused(): Promise<{ hasPaused: boolean; longestMs: number }>
}

/** Resolves once it watches. */
export async function watchPauses(): Promise<PauseWatcher> {
  const watcher = new Worker(watching, { eval: true })
  const told = async (): Promise<number> => Number((await once(watcher, 'message'))[0])
  await told()
  return {
    async paused() {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      watcher.postMessage('how late?')
      const longestMs = await told()
      return { hasPaused: longestMs >= pauseMs, longestMs }
    },
    async [Symbol.asyncDispose]() { await watcher.terminate() },
  }
}

/**
 * For what is promised within a second: when it failed while this machine itself paused, that says nothing, and it is tried again, twice at most. What fails
 * on a machine that goes on fails at once.
 */
export async function onSteadyMachine<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    await using watcher = await watchPauses()
    try {
      return await attempt()
    } catch (error) {
      const { hasPaused, longestMs } = await watcher.paused()
      if (tries === mostTries || !hasPaused) throw error
      console.log(`tried again, since this machine has paused for ${Math.round(longestMs)} ms: ${messageOf(error)}`)
    }
  }
}
