import { z } from 'zod'
import { defineGate } from '#shared/gate.ts'
import { judgeLedger, probeName } from '#shared/gate-probe.ts'
import { onlyByProbe } from '#shared/gate-share.ts'

export default defineGate({
  kind: 'lostWrites',
  summary: 'Acknowledged writes of a probe that are missing after the recovery',
  documentation: `
Each attempt of the probe writes an id of its own. Those that were acknowledged are remembered by the prober, outside the system, and looked for
when the run has recovered; each that is not there was lost. Writes without an answer, and in Redis those that no replica has confirmed, were
promised to nobody and are reported apart.

A ledger that never came, that has no acknowledged write, or whose ids could not all be looked for, is inconclusive.`,
  sources: ['probe'],
  parameters: z.strictObject({
    probe: probeName(),
    max: z.int().min(0).max(1_000_000).default(0).describe('Most lost writes that hold'),
  }),
  rule: ({ probe, max }) => {
    const limit = { value: max, breaksWhen: 'above', unit: 'number' } as const
    return {
      description: `at most ${max} acknowledged writes of ${probe} lost`,
      limit, ...onlyByProbe,
      probe: {
        name: probe,
        judge: figures => judgeLedger(limit, figures, ledger => ({
          value: ledger.missing,
          words: value => `${value} of ${ledger.acknowledged} acknowledged writes are missing`,
        })),
      },
    }
  },
})
