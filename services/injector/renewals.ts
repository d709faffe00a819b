import { isOlderEpoch, type Epoch } from '#shared/epoch.ts'

/**
 * Which renewals (signal `heartbeat`) an agent obeys. Each is signed, but whoever has heard one could send it again, or hold it back and send it later; so it
 * bears under its signature when it was sent, and renews a lease only if it was sent later than every other of its run under its epoch that was obeyed, and
 * lately. What was sent before the agent's start is nothing to it: it cannot know whether that was obeyed by then. Dates are of the scheduler's clock, Unix
 * epoch, milliseconds. An agent's may be some seconds off, as for an inject; of the order alone no clock but the sender's decides.
 */
export interface HeardRenewals {
  startedAtMs: number
  /** By run, the last that was obeyed; whoever was heard of longest ago first. */
  last: ReadonlyMap<string, { epoch: Epoch; sentAtMs: number }>
}

export interface Renewal { run: string; epoch: Epoch; sentAtMs: number }

/** As long as an inject is good for: who holds renewals back keeps a fault beyond its lease for no longer than this. */
const goodForMs = 10_000
/** Of a sender whose clock is further ahead an inject is refused, too (command-stamp.ts). */
const mostAheadMs = 30_000
/** Of runs under way there are never so many. What has been forgotten is too old soon. */
export const mostRunsRemembered = 1_000

/** Whether the renewal may be obeyed; if not, `why`. Pure. */
export function hearRenewal({ startedAtMs, last }: HeardRenewals, { run, epoch, sentAtMs }: Renewal, nowMs: number): { heard: HeardRenewals; why?: string } {
  const refuse = (why: string) => ({ heard: { startedAtMs, last }, why })
  const known = last.get(run)
  if (known && isOlderEpoch(epoch, known.epoch)) return refuse('it comes from a scheduler that has been followed by another')
  if (known && !isOlderEpoch(known.epoch, epoch) && sentAtMs <= known.sentAtMs) return refuse('it was sent no later than one that was obeyed')
  if (sentAtMs < startedAtMs) return refuse(`it was sent before this agent started; ${ifJustNow}`)
  if (nowMs > sentAtMs + goodForMs) return refuse(`it came ${Math.floor(nowMs - sentAtMs)} ms after it was sent; ${ifJustNow}`)
  if (sentAtMs > nowMs + mostAheadMs) return refuse(`it was sent ${Math.ceil(sentAtMs - nowMs)} ms from now: the sender's clock is ahead; set both by the same time server (NTP)`)
  const others = [...last].filter(([other]) => other !== run).slice(1 - mostRunsRemembered)
  return { heard: { startedAtMs, last: new Map([...others, [run, { epoch, sentAtMs }]]) } }
}

const ifJustNow = 'if that was just now, the clocks differ: set both by the same time server (NTP)'
