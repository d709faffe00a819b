import { z } from 'zod'

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** `250ms`, `30s`, `1m30s`, `2h`: becomes milliseconds. A bare number is refused, since its unit would be a guess. */
export const duration = (limits: { minMs?: number; maxMs?: number } = {}) => z.string()
  .regex(/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/, 'a duration such as 250ms, 30s or 1m30s')
  .transform((text, context) => {
    const ms = durationMs(text)
    const { minMs = 0, maxMs = 24 * unitMs.h } = limits
    if (ms >= minMs && ms <= maxMs) return ms
    context.addIssue({ code: 'custom', message: `a duration between ${printDuration(minMs)} and ${printDuration(maxMs)}` })
    return z.NEVER
  })

/** Milliseconds of a text that the schema above accepted. */
export function durationMs(text: string): number {
  let ms = 0
  for (const [, digits, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) ms += Number(digits) * unitMs[unit as keyof typeof unitMs]
  return Math.round(ms)
}

/** The shortest exact way to write a duration: 90000 is `1m30s`. */
export function printDuration(ms: number): string {
  if (ms < 1_000) return `${ms}ms`
  const parts: string[] = []
  let rest = ms
  for (const unit of ['h', 'm'] as const) {
    const count = Math.floor(rest / unitMs[unit])
    if (count > 0) parts.push(`${count}${unit}`)
    rest -= count * unitMs[unit]
  }
  if (rest > 0) parts.push(rest % 1_000 === 0 ? `${rest / 1_000}s` : `${Number((rest / 1_000).toFixed(3))}s`)
  return parts.join('')
}

/** `2026-03-01T10:00:00Z`: metav1.Time has no fractions of seconds either. Of milliseconds since the Unix epoch. */
export const printDate = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')

/** `1%`, `99.9%` or 0.01: becomes a fraction between 0 and 1. */
export const ratio = () => z.union([
  z.number().min(0).max(1),
  z.string().regex(/^\d{1,3}(?:\.\d+)?%$/, 'a ratio such as 1%, 99.9% or 0.01').transform((text, context) => {
    const percent = Number(text.slice(0, -1))
    if (percent <= 100) return Number((percent / 100).toPrecision(12))
    context.addIssue({ code: 'custom', message: 'a ratio of at most 100%' })
    return z.NEVER
  }),
])

const bitsOf = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 } as const

/** `500kbit`, `10mbit`, `1gbit`, a second each: becomes bits per second. */
export const bitRate = () => z.string().regex(/^\d+(?:\.\d+)?(?:bit|kbit|mbit|gbit)$/, 'a rate such as 500kbit, 10mbit or 1gbit (per second)')
  .transform((text, context) => {
    const [, digits = '', unit = 'bit'] = /^([\d.]+)(\w+)$/.exec(text) ?? []
    const bits = Math.round(Number(digits) * bitsOf[unit as keyof typeof bitsOf])
    if (bits >= 8_000 && bits <= 100e9) return bits
    context.addIssue({ code: 'custom', message: 'a rate between 8kbit and 100gbit' })
    return z.NEVER
  })

const bytesOf = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 } as const

/** `64Mi`, `1Gi`, as Kubernetes writes memory: becomes bytes. */
export const byteSize = () => z.string().regex(/^\d+(?:Ki|Mi|Gi)$/, 'a size such as 64Mi or 1Gi')
  .transform((text, context) => {
    const bytes = Number(text.slice(0, -2)) * bytesOf[text.slice(-2) as keyof typeof bytesOf]
    if (bytes >= 2 ** 20 && bytes <= 2 ** 40) return bytes
    context.addIssue({ code: 'custom', message: 'a size between 1Mi and 1024Gi' })
    return z.NEVER
  })

/** A name that is safe as a folder, a label and a subject token (RFC 1123 label). */
export const dnsLabel = () => z.string().max(63)
  .regex(/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/, 'lower-case letters, digits and dashes, beginning and ending with a letter or digit (RFC 1123 label)')
