import { setTimeout as delay } from 'node:timers/promises'
import type { Registry } from 'prom-client'
import type { Bus } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import { showAgents } from './agent-metrics.ts'

/** An agent as it last told of itself. `quarantined`: ids of what it could not confirm as undone; `seenMs`: monotonic. */
export interface KnownAgent { node: string; kinds: readonly string[]; quarantined: readonly string[]; seenMs: number }

export interface KnownAgents {
  /** Whoever was ever heard, in that order. */
  names(): string[]
  /** Whether it was heard lately. */
  isAlive(node: string): boolean
  /** Those that were heard lately and can do it. They may have started just now, or this scheduler may have: each of `wanted` is waited for a little, or the first where none is named. */
  able(kind: string, wanted?: readonly string[]): Promise<{ node: string }[]>
  stop(): void
}

/** Agents say every second that they are there. */
const agentStaleMs = 3_500

export function hearAgents({ bus, clock, metrics }: { bus: Bus; clock: Clock; metrics: Registry }): KnownAgents {
  const agents = new Map<string, KnownAgent>()
  const presence = bus.onSignal('agent', '*', ({ node, kinds, quarantined }) => {
    agents.set(node, { node, kinds, quarantined, seenMs: clock.monotonicMs() })
  })
  const isAlive = ({ seenMs }: { seenMs: number }) => seenMs > clock.monotonicMs() - agentStaleMs
  showAgents({ metrics, clock, agents, isAlive })

  async function ableAgents(kind: string, wanted: readonly string[] = []): Promise<{ node: string }[]> {
    const givenUpAtMs = clock.monotonicMs() + agentStaleMs
    for (;;) {
      const able = [...agents.values()].filter(agent => isAlive(agent) && agent.kinds.includes(kind))
      const isEnough = wanted.length === 0 ? able.length > 0 : wanted.every(node => able.some(agent => agent.node === node))
      if (isEnough || clock.monotonicMs() > givenUpAtMs) return able
      await delay(50)
    }
  }

  return {
    names: () => [...agents.keys()],
    isAlive(node) {
      const agent = agents.get(node)
      return agent !== undefined && isAlive(agent)
    },
    able: ableAgents,
    stop: () => presence.stop(),
  }
}
