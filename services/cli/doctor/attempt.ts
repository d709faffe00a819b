import { execFile } from 'node:child_process'
import { messageOf } from '#shared/errors.ts'

const timeoutMs = 10_000

/** What came of trying a command: `said` is all it printed, or why it could not be started. */
export type Attempt = { worked: true; said: string } | { worked: false; said: string }

/** Runs a command to find out whether it works here; that it does not is an answer, not an error. */
export function attempt([command = '', ...args]: readonly string[], input = ''): Promise<Attempt> {
  return new Promise(resolve => {
    const child = execFile(command, args, { timeout: timeoutMs, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const printed = `${stdout}${stderr}`.trim()
      resolve(error ? { worked: false, said: printed || messageOf(error) } : { worked: true, said: printed })
    })
    child.stdin?.on('error', () => {}) // it ended without reading its input, and its exit code says so
    child.stdin?.end(input)
  })
}
