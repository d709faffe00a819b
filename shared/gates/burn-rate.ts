import { z } from 'zod'
import { budgetShare, type BudgetShare } from '#shared/budget-share.ts'
import { defineGate, type GateRule } from '#shared/gate.ts'
import { complement, ownShareQuery, percent, selector } from '#shared/gate-share.ts'
import { chooseObjective, objectiveName, onlyByPromql, sloName, unboundRule } from '#shared/gate-slo.ts'
import type { Objective } from '#shared/service-level.ts'
import { duration, printDuration, ratio } from '#shared/units.ts'

/** As the workbook's short windows are to its long ones: five minutes to an hour. */
const shortestOfLong = 1 / 12
/** As long as a `slo` gate's window is when nothing else is said, so that both judge the same value. */
const longestStepMs = 5_000

const parameters = z.strictObject({
  slo: sloName().optional(),
  objective: objectiveName(),
  target: ratio().optional().describe('Without an SLO: the share that is to be good, such as 99.9%'),
  total: selector().optional().describe('Without an SLO: your counter of all requests'),
  bad: selector().optional().describe('Without an SLO: your counter of failed requests'),
  max: z.number().positive().describe('Breaks when the budget burns more than so many times as fast as the SLO allows, in both windows at once'),
  long: duration({ minMs: 2_000 }).describe('The window that says that it matters, such as 1m'),
  short: duration({ minMs: 1_000 }).optional().describe('The window that says that it still goes on (default: a twelfth of long, at least 1s, and whole slices)'),
  step: duration({ minMs: 1_000 }).optional().describe('Of a thresholdMetric: one of its values counts in so long a time (default: 5s, or less where that is no whole part of a slice)'),
  straddle: z.boolean().default(false).describe('Look from the fault\'s start on, though long reaches back to before it'),
})
type BurnRate = z.output<typeof parameters>

export default defineGate({
  kind: 'burnRate',
  summary: 'How fast an error budget burns, over a long and a short window at once',
  documentation: `
The burn rate is the share of bad events over the budget, 1 - target: at 1 the budget lasts just as long as the SLO's own window. The gate breaks when
more than \`max\` is burned in both windows: the long one says that it matters, the short one that it still goes on
(The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts").

The budget is that of an SLO under \`slos\`, or \`target\` with your own counters in \`total\` and \`bad\`. What is counted is what the SLO's budgetingMethod
says: single events, or slices of time, of which a window holds whole ones only. A thresholdMetric's events are its values, one each \`step\`.
A slice or value that is not known, since there was no traffic or no sample, is neither good nor bad: a window with one in it is no data.

No window reaches back to before the phase: the first look comes when \`long\` has passed since the fault's start, with slices one slice more, so that
nothing which was there before is laid at its door, nor thins it out. \`straddle: true\` looks from the start on. In the recovery the short window alone is looked at,
from its start on. A window, a slice or a \`step\` holds at least two scrapes or it is no data; four make it steady.`,
  sources: ['prometheus'],
  parameters: parameters.superRefine((written, context) => {
    const problem = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
    const own = [written.target, written.total, written.bad].filter(given => given !== undefined).length
    if (written.slo === undefined ? own !== 3 : own > 0) problem([], 'either slo, or target with total and bad')
    for (const key of ['objective', 'step'] as const) if (written.slo === undefined && written[key] !== undefined) problem([key], 'no such key without slo')
    if (shortOf(written) >= written.long) problem(['short'], `less than long (${printDuration(written.long)})`)
    const unburnable = written.target === undefined ? undefined : beyond(written.max, complement(written.target))
    if (unburnable !== undefined) problem([written.target === 1 ? 'target' : 'max'], unburnable)
  }),
  rule: written => {
    const { slo, objective, target = 0, total = '', bad = '' } = written
    if (slo === undefined) {
      const share: BudgetShare = { badOver: windowMs => ownShareQuery({ total, bad }, windowMs), counts: 'bad', beforeMs: 0 }
      return burnRule(written, share, { budget: complement(target), of: metricsOf(total) })
    }
    return unboundRule({
      name: slo, key: 'slo',
      bind(level) {
        const refused = (key: string, expected: string) => ({ is: 'refused', key, expected } as const)
        const chosen = chooseObjective(level, objective)
        if ('expected' in chosen) return refused(objective === undefined ? 'slo' : 'objective', chosen.expected)
        const unburnable = beyond(written.max, chosen.budget)
        if (unburnable !== undefined) return refused('max', unburnable)
        if (written.step !== undefined && !chosen.threshold) return refused('step', `no such key for ${slo}, a ratioMetric, which has events of its own to count`)
        const stepMs = written.step ?? stepIn(chosen)
        if (chosen.threshold && chosen.slice && !isPart(stepMs, chosen.slice.lengthMs)) return refused('step', `a whole part of a slice, which lasts ${printDuration(chosen.slice.lengthMs)}`)
        const share = budgetShare(level, chosen, stepMs)
        const unwhole = unwholeWindow(written, share)
        return unwhole ? refused(unwhole.key, unwhole.expected) : { is: 'bound', rule: burnRule(written, share, { budget: chosen.budget, of: slo }) }
      },
    })
  },
})

/** Of units of time a window holds whole ones. */
function shortOf({ long, short }: Pick<BurnRate, 'long' | 'short'>, unitMs = 1): number {
  return short ?? Math.max(1_000, unitMs, Math.round(long * shortestOfLong / unitMs) * unitMs)
}

/** PromQL has no fractions of milliseconds. */
const isPart = (partMs: number, ofMs: number): boolean => Number.isInteger(partMs) && ofMs % partMs === 0
const metricsOf = (total: string) => total.replace(/\{[^]*$/, '')

const stepIn = ({ slice }: Objective): number => slice ? slice.lengthMs / Math.ceil(slice.lengthMs / longestStepMs) : longestStepMs

function unwholeWindow(written: BurnRate, { unit }: BudgetShare): { key: 'long' | 'short'; expected: string } | undefined {
  if (!unit) return undefined
  const whole = `a whole number of ${unit.is}s of ${printDuration(unit.lengthMs)}`
  if (!isPart(unit.lengthMs, written.long) || written.long < 2 * unit.lengthMs) return { key: 'long', expected: `${whole}, at least two, of which short has one` }
  return isPart(unit.lengthMs, shortOf(written, unit.lengthMs)) ? undefined : { key: 'short', expected: whole }
}

/** With everything bad a budget burns 1 / budget times as fast as it may, and no faster. */
function beyond(max: number, budget: number): string | undefined {
  if (budget === 0) return 'less than 100 %; without a budget nothing can burn'
  const fastest = Number((1 / budget).toPrecision(6))
  return max < fastest ? undefined : `less than ${fastest}, as fast as ${percent(budget)} can burn when everything is bad`
}

function burnRule(written: BurnRate, { badOver, counts, unit, beforeMs }: BudgetShare, { budget, of }: { budget: number; of: string }): GateRule {
  const { long, max, straddle } = written
  const windows = [long, shortOf(written, unit?.lengthMs)]
  const ranges = windows.map(windowMs => ({ windowMs, query: `(${badOver(windowMs)}) / ${budget}` }))
  const [inLong = '', inShort = ''] = ranges.map(({ query }) => query)
  return {
    description: `at most ${max}x the budget of ${of} (${percent(budget)} ${counts}), over ${windows.map(printDuration).join(' and ')} at once`,
    limit: { value: max, breaksWhen: 'above', unit: 'times' },
    range: { longestMs: long + beforeMs, key: 'long', isAnchored: !straddle, beforeMs },
    ranges,
    ...onlyByPromql,
    query: () => `(${inLong} < ${inShort}) or (${inShort} <= ${inLong})`, // the lesser; without either there is none
  }
}
