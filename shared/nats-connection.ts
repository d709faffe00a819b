import { connect, type NatsConnection } from 'nats'
import { loginOptions, type NatsLogin } from '#shared/nats-login.ts'

/**
 * A server that is stopped, or cut off, keeps its connections open and says nothing. It is asked every `pingInterval` (milliseconds), and given up when `maxPingOut` questions have no
 * answer: 675 to 900 ms after its last. That is less than the second between two heartbeats, so that an agent misses one of them at most, and its lease of three is renewed in time.
 * A client that is busy itself gives up nobody: it asks once a turn of its event loop, and reads what has come before it asks again.
 */
const silence = { pingInterval: 225, maxPingOut: 3 } as const
/** Of a connection that is being made: a server that is stopped accepts it, too. Long enough for TLS on a machine that is busy. */
const openWithinMs = 3_000
const againMs = { least: 100, most: 150 } as const

/** A connection that is kept for ever, whatever servers come and go. Rejects with the client's error when none of them answers now. */
export function connectNats(login: NatsLogin, name: string): Promise<NatsConnection> {
  return connect({ ...loginOptions(login), name, ...silence, timeout: openWithinMs, maxReconnectAttempts: -1, reconnectDelayHandler: passingOverTheLost() })
}

/**
 * How long it must be since a server was asked for a connection before it is asked again. The client (nats 2.29) goes through its servers in their order, and the one that it has lost
 * can be the first; stopped, it would cost it `openWithinMs`. So the one that was asked last is passed over once, whenever that was. The client dates askings by the
 * clock that may be set; when it was set back, nothing is too soon. Pure but for `now` (Unix epoch, milliseconds).
 */
export function passingOverTheLost(now: () => number = Date.now): () => number {
  let askedMs = now()
  return () => {
    const nowMs = now()
    const sinceMs = nowMs - askedMs
    askedMs = nowMs
    return sinceMs < 0 ? sinceMs : Math.max(againMs.least + Math.random() * (againMs.most - againMs.least), sinceMs + 1)
  }
}
