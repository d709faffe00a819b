import { z } from 'zod'
import { defineProbe, endpointName } from '#shared/probe.ts'

export default defineProbe({
  kind: 'redis',
  summary: 'Does Redis take writes, and are those that its replicas have still there?',
  documentation: `
An attempt sets a key of its own and waits (WAIT) until \`replicas\` replicas have it. Only then it is acknowledged: what the master alone has is lost
with it. A write that was taken but not seen on a replica in time is *unconfirmed*: its slot failed, and its loss is reported apart. After the recovery
every id is looked for, and the keys are deleted; they expire after a day at the latest. With \`ledger: false\`, an attempt is PING.

WAIT proves that replicas had the write, not that one of them becomes the master: give the servers \`min-replicas-to-write 1\`. By Sentinels, the
endpoint names the master's group; a redis:// URL is one server.`,
  endpointExample: 'redis+sentinel://:secret@redis-sentinel.jewelry-shop:26379/shop',
  parameters: z.strictObject({
    endpoint: endpointName(),
    ledger: z.boolean().default(true).describe('Write, and look for what was acknowledged; false: only ask'),
    replicas: z.int().min(0).max(10).default(1).describe('Replicas that must have a write before it counts as acknowledged; 0 for a Redis that has none'),
  }),
  plan: ({ ledger, replicas }) => ({ by: 'redis', ledger, replicas }),
  describe: ({ endpoint, ledger, replicas }) => ledger ? `a key set in ${endpoint}${replicas > 0 ? `, and seen by ${replicas} of its replicas` : ''}` : `a PING to ${endpoint}`,
})
