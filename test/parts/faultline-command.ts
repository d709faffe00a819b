import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const faultline = fileURLToPath(new URL('../../services/cli/faultline.mjs', import.meta.url))

export interface Ended { code: number | null; out: string; err: string }

/** Disposal SIGKILLs one that has not ended: its keeper ends the rest. */
export interface FaultlineCommand extends AsyncDisposable {
  child: ChildProcess
  ended: Promise<Ended>
}

/** The command as a user starts it. Its temporary files go to a folder of their own, so that what is left of them shows. */
export function startFaultline(args: readonly string[], { temporary }: { temporary: string }): FaultlineCommand {
  const child = spawn(process.execPath, [faultline, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TMPDIR: temporary } })
  const said = { out: '', err: '' }
  child.stdout.on('data', chunk => { said.out += String(chunk) })
  child.stderr.on('data', chunk => { said.err += String(chunk) })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }))
  return {
    child, ended,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended
    },
  }
}

/** The same, to its end. */
export async function runFaultline(args: readonly string[], where: { temporary: string }): Promise<Ended> {
  await using command = startFaultline(args, where)
  return await command.ended
}

/** Waits for something that the command is to bring about; a command that ends before tells what it said. */
export async function before<T>(ended: Promise<Ended>, awaited: Promise<T>, what: string): Promise<T> {
  const early = ended.then(({ code, out, err }) => { throw new Error(`ended with ${code} before ${what}: ${err}${out}`) })
  early.catch(() => undefined) // afterwards, its end is awaited elsewhere
  awaited.catch(() => undefined)
  return Promise.race([awaited, early])
}
