import { z } from 'zod'
import { defineGate, type GateRule, type Limit } from '#shared/gate.ts'
import { percent } from '#shared/gate-share.ts'
import { chooseObjective, objectiveName, onlyByPromql, sloName, thresholdWords, unboundRule } from '#shared/gate-slo.ts'
import type { Objective, ServiceLevel } from '#shared/service-level.ts'
import { printDuration } from '#shared/units.ts'

export default defineGate({
  kind: 'slo',
  summary: 'An objective of an OpenSLO v1 document',
  documentation: `
Of a ratioMetric: breaks when a larger share of the events in the gate's \`window\` is bad than the objective's budget, 1 - target; a burn rate above 1.
With Timeslices the range is the objective's slice, which is bad when less than timeSliceTarget of it was good; the first look comes when a whole
slice lies behind the fault's start. With RatioTimeslices the range is the slice, and the limit the budget.

Of a thresholdMetric: breaks when the value is not what \`op\` and \`value\` ask for, whatever the share of the time in which it may be so.

Ranges that the document's PromQL has are replaced by the gate's; docs/openslo.md says how.`,
  sources: ['prometheus'],
  parameters: z.strictObject({ name: sloName(), objective: objectiveName() }),
  rule: ({ name, objective }) => unboundRule({
    name, key: 'name',
    bind(level) {
      const chosen = chooseObjective(level, objective)
      return 'expected' in chosen ? { is: 'refused', key: objective === undefined ? 'name' : 'objective', expected: chosen.expected } : { is: 'bound', rule: ruleOf(level, chosen) }
    },
  }),
})

function ruleOf({ name, indicator }: ServiceLevel, { budget, threshold, slice }: Objective): GateRule {
  const range = slice && { range: { longestMs: slice.lengthMs, key: 'name', isAnchored: true } }
  if (indicator.is === 'share') {
    const value = slice?.badShare ?? budget
    return {
      description: `at most ${percent(value)} bad of ${name}${slice ? ` in ${printDuration(slice.lengthMs)}` : ''}`,
      limit: { value, breaksWhen: 'above', unit: 'ratio' },
      ...range, ...onlyByPromql,
      query: ({ windowMs }) => indicator.badOver(windowMs),
    }
  }
  const { op, value } = threshold ?? { op: 'lte', value: Infinity } // a thresholdMetric without one is not read
  return {
    description: `${thresholdWords[op]} ${value} for ${name}`,
    limit: limits[op](value),
    ...range, ...onlyByPromql,
    query: ({ windowMs }) => indicator.over(windowMs),
  }
}

/** A limit itself holds, so below 500 is at most the number before it. */
const limits: Readonly<Record<keyof typeof thresholdWords, (value: number) => Limit>> = {
  lte: value => ({ value, breaksWhen: 'above', unit: 'number' }),
  lt: value => ({ value: neighbour(value, 'down'), breaksWhen: 'above', unit: 'number' }),
  gte: value => ({ value, breaksWhen: 'below', unit: 'number' }),
  gt: value => ({ value: neighbour(value, 'up'), breaksWhen: 'below', unit: 'number' }),
}

/** The next number that a double can hold (IEEE 754: the bits of one sign are ordered as their numbers are). */
function neighbour(value: number, towards: 'up' | 'down'): number {
  const bits = new DataView(new ArrayBuffer(8))
  if (value === 0) return towards === 'up' ? Number.MIN_VALUE : -Number.MIN_VALUE
  bits.setFloat64(0, value)
  const isAway = (value > 0) === (towards === 'up')
  bits.setBigInt64(0, bits.getBigInt64(0) + (isAway ? 1n : -1n))
  return bits.getFloat64(0)
}
