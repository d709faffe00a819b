import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.ts'

/** In a process of its own: it measures its own heap, and for minutes lets nothing else happen in it, not even a Ctrl-C be heard. */
export const gates: Bench = {
  name: 'gates',
  summary: 'how often gates with a limit are wrong, how soon they see, what they cost: simulated',
  async run({ cells, signal }) {
    signal.throwIfAborted()
    const child = spawn(process.execPath, [fileURLToPath(new URL('gates.ts', import.meta.url)), '--cells', cells], { stdio: 'inherit' })
    const kill = () => void child.kill('SIGKILL')
    signal.addEventListener('abort', kill)
    const [code] = await once(child, 'exit') as [number | null]
    signal.removeEventListener('abort', kill)
    signal.throwIfAborted()
    if (code !== 0 && code !== 1) throw new Error(`the simulated gates ended with ${code ?? 'a signal'}`)
    return code === 0 ? [] : ['simulated gates: those named above']
  },
}
