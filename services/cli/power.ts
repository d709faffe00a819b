import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { sampleSize, type SampleSize } from '#shared/sample-size.ts'
import { ratio } from '#shared/units.ts'

/** As given on the command line. */
export interface PowerOptions { budget: string; alpha: string; trueRate: string; power: string; requestsPerBurst: string; rps?: string; json?: boolean }

class PowerOptionInvalid extends InvalidInput {
  readonly code = 'power_option_invalid'
}

/** In an experiment a bare number is one already; here all is text. */
const written = z.string().transform((text, context) => {
  const parsed = ratio().safeParse(/^\d*\.?\d+$/.test(text) ? Number(text) : text)
  if (parsed.success) return parsed.data
  context.addIssue({ code: 'custom', message: `expected a ratio such as 1%, 99.9% or 0.01, found ${text}` })
  return z.NEVER
})
const share = (what: string) => written.refine(value => value > 0 && value < 1, `${what} must lie between 0 and 100 %, and be neither`)
const number = (least: number) => z.string().transform(Number).refine(value => value >= least && value <= 1e6, `a number from ${least} to 1000000`)
const schema = z.strictObject({
  'budget': share('a budget'),
  'alpha': written.refine(value => value > 0 && value < 0.5, 'expected a probability above 0 and below 0.5, such as 0.05 or 5%'),
  'true-rate': written,
  'power': share('a power'),
  'requests-per-burst': number(1),
  'rps': number(0.001).optional(),
})

/** What a run must have seen before it can pass, for people or as JSON. Throws PowerOptionInvalid. */
export function printPower({ trueRate, requestsPerBurst, json = false, ...given }: PowerOptions): string {
  const parsed = schema.safeParse({ budget: given.budget, alpha: given.alpha, 'true-rate': trueRate, power: given.power, 'requests-per-burst': requestsPerBurst, ...(given.rps !== undefined && { rps: given.rps }) })
  if (!parsed.success) throw new PowerOptionInvalid(parsed.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`).join('\n'))
  const { budget, alpha, power, rps } = parsed.data
  const question = { budget, alpha, power, trueRate: parsed.data['true-rate'], requestsPerBurst: parsed.data['requests-per-burst'] }
  if (question.trueRate >= budget) throw new PowerOptionInvalid(`--true-rate: a service with ${percent(question.trueRate)} bad requests spends the whole budget of ${percent(budget)}; no run is long enough`)
  const size = sampleSize(question)
  const minutes = (requests: number | null) => rps === undefined || requests === null ? null : Number((requests / rps / 60).toFixed(2))
  if (json) {
    return `${JSON.stringify({ ...question, ...(rps !== undefined && { rps }), ...size, ...(rps !== undefined && { zeroFailureMinutes: minutes(size.zeroFailureRequests), minutes: minutes(size.requests) }) }, null, 2)}\n`
  }
  return render(question, size, minutes, rps)
}

function render({ budget, alpha, power, trueRate, requestsPerBurst }: Parameters<typeof sampleSize>[0], { zeroFailureRequests, requests, allowedBad }: SampleSize, minutes: (requests: number) => number | null, rps: number | undefined): string {
  const count = (requestsNeeded: number) => `${grouped(requestsNeeded)} requests${rps === undefined ? '' : `, ${minutes(requestsNeeded)} minutes at ${rps} a second`}`
  const clumps = requestsPerBurst === 1 ? '' : `, ${requestsPerBurst} requests sharing one fate`
  return [
    `Fewer than ${percent(budget)} bad requests, a pass that is not earned in at most ${percent(alpha)} of runs${clumps}:`,
    `  none bad          ${count(zeroFailureRequests)}; fewer can never pass`,
    `  ${`${percent(trueRate)} bad`.padEnd(16)}  ${requests === null ? 'more than a hundred million requests' : `${count(requests)}, of which at most ${grouped(allowedBad ?? 0)} bad; ${percent(power)} of runs pass`}`,
    '',
  ].join('\n')
}

const percent = (part: number) => `${Number((part * 100).toPrecision(6))} %`
const grouped = (count: number) => count.toLocaleString('en')
