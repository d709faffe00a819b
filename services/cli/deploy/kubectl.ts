import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { FaultlineError, messageOf } from '#shared/errors.ts'

/** The cluster, or kubectl, did not do what was asked; the message holds kubectl's own words. */
export class KubectlFailed extends FaultlineError {
  readonly code = 'kubectl_failed'
}

/** Runs the kubectl of PATH against the current context. Gives what it printed. `signal` ends it, which throws the signal's own error. */
export async function kubectl(args: readonly string[], input = '', signal?: AbortSignal): Promise<string> {
  const child = spawn('kubectl', args, { stdio: ['pipe', 'pipe', 'pipe'], signal })
  child.stdin.on('error', () => {}).end(input) // one that has ended without reading says why
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  try {
    await once(child, 'close')
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new KubectlFailed(`kubectl could not be started: ${messageOf(cause)}; install it, and choose a context`, { cause })
  }
  const [printed, complaints] = await said
  if (child.exitCode !== 0) throw new KubectlFailed(`kubectl ${args.join(' ')} ended with ${child.exitCode ?? child.signalCode}: ${complaints.trim()}`)
  return printed
}
