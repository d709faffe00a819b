import { Gauge, type Registry } from 'prom-client'
import type { Clock } from '#shared/clock.ts'
import type { KnownAgent } from './known-agents.ts'

export interface AgentMetricsOptions {
  metrics: Registry
  clock: Clock
  agents: ReadonlyMap<string, KnownAgent>
  isAlive(agent: KnownAgent): boolean
}

/** A node that was taken out of the cluster has no agent any more, and nobody says so: it is missed for an hour, then forgotten. */
const missedForMs = 3_600_000

/** Shows which agents this scheduler hears, and what they could not undo. */
export function showAgents({ metrics, clock, agents, isAlive }: AgentMetricsOptions): void {
  const known = () => [...agents.values()].filter(({ seenMs }) => seenMs > clock.monotonicMs() - missedForMs)
  new Gauge({
    name: 'faultline_agent_up', help: '1 while the agent is heard, 0 for an hour after it fell silent', labelNames: ['node'], registers: [metrics],
    collect() {
      this.reset()
      for (const agent of known()) this.set({ node: agent.node }, isAlive(agent) ? 1 : 0)
    },
  })
  new Gauge({
    name: 'faultline_agent_quarantined_targets', help: 'Targets whose fault the agent could not confirm as undone, and journal files that it cannot read', labelNames: ['node'], registers: [metrics],
    collect() {
      this.reset()
      for (const { node, quarantined } of known()) this.set({ node }, quarantined.length)
    },
  })
}
