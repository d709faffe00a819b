import { z } from 'zod'
import { defineGate } from '#shared/gate.ts'
import { judgeProbe, probeName } from '#shared/gate-probe.ts'
import { onlyByProbe } from '#shared/gate-share.ts'
import { duration, printDuration } from '#shared/units.ts'

export default defineGate({
  kind: 'recoveryTime',
  summary: 'Time from the first failed attempt of a probe until it is steady again',
  documentation: `
Counts from the start of the first attempt that failed after the first injection to the start of the attempt from which on none failed for
\`recovery.stable\`. Of several outages the longest counts, and of several probers the worst; a prober on a node that is itself the target of a
fault does not count. For a data store this is its RTO.

No failed attempt is a recovery time of 0. A probe that was never attempted, or that nobody who counts has watched for 2 s, is inconclusive.`,
  sources: ['probe'],
  parameters: z.strictObject({
    probe: probeName(),
    max: duration({ minMs: 1 }).describe('Longest recovery time that holds, such as 30s'),
  }),
  rule: ({ probe, max }) => {
    const limit = { value: max / 1_000, breaksWhen: 'above', unit: 'seconds' } as const
    return {
      description: `${probe} steady again at most ${printDuration(max)} after its first failure`,
      limit, ...onlyByProbe,
      probe: {
        name: probe,
        judge: figures => judgeProbe(limit, figures, {
          value: figures.recoveryTimeMs / 1_000,
          words: value => `${value} s, ${figures.failures} of ${figures.attempts} attempts failed`,
          ...(!figures.steady && { doubt: 'it was not steady again when the run ended' }),
        }),
      },
    }
  },
})
