import { once } from 'node:events'
import { parentPort, Worker } from 'node:worker_threads'
import { z } from 'zod'
import { validate } from '../../services/cli/validate.ts'

const answerSchema = z.object({ exitCode: z.number(), output: z.string(), tookMs: z.number() })

/** Validates files in a thread of its own, since only from outside can a validation that never ends be told from a slow one. */
export async function startValidatingWorker() {
  const worker = new Worker(new URL(import.meta.url))
  await once(worker, 'message') // loaded: a validation's time is its own
  return {
    /** `tookMs`: of a processor, whatever else this machine does. Rejects with an AbortError when there is no answer in time, and with the worker's error when it crashed. */
    async validate(file: string, withinMs: number): Promise<z.output<typeof answerSchema>> {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(file)
      const [answer] = await once(worker, 'message', { signal: AbortSignal.timeout(withinMs) }) as unknown[]
      return answerSchema.parse(answer)
    },
    async [Symbol.asyncDispose]() { await worker.terminate() },
  }
}

const port = parentPort
if (port) {
  port.on('message', (file: string) => {
    const before = process.threadCpuUsage()
    const tookMs = () => { const { user, system } = process.threadCpuUsage(before); return (user + system) / 1_000 }
    void validate([file], { json: false }).then(answer => port.postMessage({ ...answer, tookMs: tookMs() }))
  })
  port.postMessage('ready')
}
