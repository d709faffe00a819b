/** Aborts at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process as if nobody listened, and the keeper cleans up. */
export function interruptSignal(): AbortSignal {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupted.abort())
  return interrupted.signal
}
