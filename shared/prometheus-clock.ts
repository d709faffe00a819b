/**
 * Apart by more than this, dates of Prometheus's samples and ours are not of one time: of a Prometheus whose clock is ahead by half a minute the newest sample
 * up to now is half a minute old, and looks fresh. Machines that share a time server are apart by some milliseconds.
 */
const mostApartMs = 2_000
/** A date in a header is of whole seconds, and rounded down (RFC 9110, 6.6.1). */
const resolutionMs = 1_000

/**
 * Why an answer's dates cannot be taken for ours: whoever gave it has another time than we, whatever part of the time between our dates the answer took. Undefined
 * when it has ours, and when it does not say. `date`: the answer's header of that name. Pure.
 */
export function clockApart(date: unknown, { askedAtMs, answeredAtMs }: { askedAtMs: number; answeredAtMs: number }): string | undefined {
  const saysMs = typeof date === 'string' ? Date.parse(date) : NaN
  const aheadMs = saysMs - answeredAtMs
  const behindMs = askedAtMs - (saysMs + resolutionMs)
  if (aheadMs > mostApartMs) return `its clock is ${aheadMs} ms or more ahead of the evaluator's, so that the samples it has for a date are of another time; set both by the same time server (NTP)`
  if (behindMs > mostApartMs) return `its clock is ${behindMs} ms or more behind the evaluator's, so that the samples it has for a date are of another time; set both by the same time server (NTP)`
  return undefined
}
