import { z } from 'zod'
import { defineGate } from '#shared/gate.ts'
import { judgeLedger, probeName } from '#shared/gate-probe.ts'
import { onlyByProbe } from '#shared/gate-share.ts'
import { duration, printDuration } from '#shared/units.ts'

export default defineGate({
  kind: 'rpo',
  summary: 'How far back the acknowledged writes reach that a failure has cost (recovery point objective)',
  documentation: `
The age of the oldest acknowledged write that is missing, at the start of the next attempt that failed (or at the last attempt, when none
did); 0 when none is missing. The oldest, not the newest: what was written just before a failure is nearly always the newest
that is lost, even where hours are. The age of the newest is in the report.`,
  sources: ['probe'],
  parameters: z.strictObject({
    probe: probeName(),
    max: duration().describe('Furthest back that holds, such as 15m'),
  }),
  rule: ({ probe, max }) => {
    const limit = { value: max / 1_000, breaksWhen: 'above', unit: 'seconds' } as const
    return {
      description: `no acknowledged write of ${probe} older than ${printDuration(max)} lost`,
      limit, ...onlyByProbe,
      probe: {
        name: probe,
        judge: figures => judgeLedger(limit, figures, ledger => ({
          value: figures.rpoMs / 1_000,
          words: value => ledger.missing === 0 ? `0 s: none of ${ledger.acknowledged} acknowledged writes is missing` : `${value} s`,
        })),
      },
    }
  },
})
