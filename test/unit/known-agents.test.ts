import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { Bus } from '#shared/bus.ts'
import { systemClock } from '#shared/clock.ts'
import type { Signal } from '#shared/commands.ts'
import { hearAgents } from '../../services/scheduler/known-agents.ts'

function hearing() {
  let nowMs = 0
  let hear: (signal: Signal<'agent'>) => void = () => undefined
  const bus = { onSignal: (_name: string, _to: string, handler: typeof hear) => { hear = handler; return { stop: () => undefined } } } as unknown as Bus
  const agents = hearAgents({ bus, clock: { ...systemClock, monotonicMs: () => nowMs }, metrics: new Registry() })
  return { agents, passTo: (ms: number) => { nowMs = ms }, says: (node: string) => hear({ node, kinds: ['pod-pause'], quarantined: [], sentAtMs: 0 }) }
}
const nodes = (able: readonly { node: string }[]) => able.map(({ node }) => node)

test('each agent that is wanted is waited for, not the first alone: a scheduler that has just begun has heard of some', async () => {
  const { agents, says } = hearing()
  says('n1')
  const able = agents.able('pod-pause', ['n1', 'n2'])
  setTimeout(() => says('n2'), 120)
  assert.deepEqual(nodes(await able), ['n1', 'n2'])
  assert.deepEqual(nodes(await agents.able('pod-pause', ['n2'])), ['n1', 'n2'], 'at once, now that it is there')
})

test('one that says nothing for three and a half seconds is given up', async () => {
  const { agents, says, passTo } = hearing()
  says('n1')
  const able = agents.able('pod-pause', ['n2'])
  passTo(3_400)
  says('n1')
  passTo(3_501)
  assert.deepEqual(nodes(await able), ['n1'])
})
