import type { Limit } from '#shared/gate.ts'
import { percent } from '#shared/gate-share.ts'

/** How the reports write numbers. Pure. */
export function printValue(unit: Limit['unit'], value: number): string {
  switch (unit) {
    case 'ratio': return percent(value)
    case 'seconds': return `${Number(value.toPrecision(4))} s`
    case 'times': return `${Number(value.toPrecision(3))}x`
    case 'number': return Number(value.toPrecision(5)).toLocaleString('en-US', { maximumSignificantDigits: 5 })
  }
}

export const printLimit = ({ breaksWhen, unit, value }: Limit): string => `${breaksWhen === 'above' ? 'at most' : 'at least'} ${printValue(unit, value)}`

/** `1,234 ms`; a dash for what is not known. */
export const printMs = (ms: number | null): string => ms === null ? '–' : `${Math.round(ms).toLocaleString('en-US')} ms`

/** Seconds since the run's start, as on the time axis: `12.3 s`. */
export const printSince = (startMs: number, atMs: number): string => `${((atMs - startMs) / 1_000).toFixed(1)} s`

/** ISO 8601, or null for what no calendar holds (ECMA-262, "Time Values and Time Range"). */
export const isoInstant = (ms: number | null): string | null => ms === null || Math.abs(ms) > 8.64e15 ? null : new Date(ms).toISOString()

export const printInstant = (ms: number | null): string => isoInstant(ms) ?? '–'
