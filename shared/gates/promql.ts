import { z } from 'zod'
import { defineGate, type Limit } from '#shared/gate.ts'
import { promqlProblem } from '#shared/promql.ts'

const query = z.string().superRefine((text, context) => {
  const problem = promqlProblem(text)
  if (problem) context.addIssue({ code: 'custom', message: problem })
})

export default defineGate({
  kind: 'promql',
  summary: 'The value of a PromQL expression',
  documentation: `
Breaks when the value is above \`max\` or below \`min\`; one of the two must be there. The expression must give exactly one number: wrap it in
\`sum(...)\` or \`max(...)\` when it has several series, since no rule could say which one counts. Nothing, NaN, infinity, several series and
values older than the gate's \`window\` are no data, and no data never passes.`,
  sources: ['prometheus'],
  parameters: z.strictObject({
    query: query.describe('PromQL with one value; ranges are yours to write'),
    max: z.number().optional().describe('Largest value that holds'),
    min: z.number().optional().describe('Smallest value that holds'),
  }).refine(({ max, min }) => max !== undefined || min !== undefined, 'max or min or both'),
  // a side without a limit has one that is infinitely far away: no value breaks it
  rule: ({ query: asked, max = Infinity, min = -Infinity }) => {
    const above: Limit = { value: max, breaksWhen: 'above', unit: 'number' }
    const below: Limit = { value: min, breaksWhen: 'below', unit: 'number' }
    const words = [min === -Infinity ? [] : `at least ${min}`, max === Infinity ? [] : `at most ${max}`].flat()
    return {
      description: `${words.join(' and ')} for ${asked}`,
      limit: max === Infinity ? below : above,
      ...(words.length === 2 && { otherLimit: below }),
      readsLoadMetrics: false,
      measure: () => ({ is: 'no-data', why: 'a promql gate reads Prometheus only' }),
      query: () => asked,
    }
  },
})
