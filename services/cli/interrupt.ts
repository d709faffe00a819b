const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process as if nobody listened, and the keeper cleans up.
 *
 * It goes on listening after the first: what tidies up the terminal at the process's end (signal-exit, by log-update) ends the process at
 * once when it finds itself the only listener.
 */
export function interruptSignal(): AbortSignal {
  const interrupted = new AbortController()
  const listen = (signal: NodeJS.Signals) => {
    if (!interrupted.signal.aborted) return interrupted.abort()
    for (const each of signals) process.off(each, listen)
    process.kill(process.pid, signal)
  }
  for (const signal of signals) process.on(signal, listen)
  return interrupted.signal
}

/** What was being waited for; undefined when it was given up because of the interrupt. */
export async function unlessInterrupted<T>(interrupted: AbortSignal, awaited: Promise<T>): Promise<T | undefined> {
  try {
    return await awaited
  } catch (error) {
    if (interrupted.aborted) return undefined
    throw error
  }
}
