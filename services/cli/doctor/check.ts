import { z } from 'zod'

/** One line of `faultline doctor`: what was looked for, what was found, and what to do about it. */
const checkSchema = z.strictObject({
  name: z.string(),
  found: z.enum(['ok', 'missing', 'limited']),
  detail: z.string(),
  next: z.string().optional(),
  /** Parts of faultline that do not work, or not fully, unless this is `ok`. */
  neededFor: z.array(z.enum(['demo', 'tests', 'process faults', 'network faults'])),
})
export type Check = z.output<typeof checkSchema>

/** The answer of `faultline doctor --json`. `ok`: nothing is missing that the demo needs. */
export const diagnosisSchema = z.strictObject({ ok: z.boolean(), checks: z.array(checkSchema) })
export type Diagnosis = z.output<typeof diagnosisSchema>
