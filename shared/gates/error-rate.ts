import { z } from 'zod'
import { defineGate } from '#shared/gate.ts'
import { duration, ratio } from '#shared/units.ts'
export default defineGate({
  kind: 'errorRate', summary: 'Share of failed requests', documentation: '', sources: ['stream', 'prometheus'],
  parameters: z.strictObject({ max: ratio(), timeout: duration().default(2000) }),
  rule: p => ({ description: '', limit: { value: p.max, breaksWhen: 'above', unit: 'ratio' }, overdueAfterMs: p.timeout, readsLoadMetrics: true,
  measure: () => ({ is: 'no-data', why: '' }), query: () => '' }),
})
