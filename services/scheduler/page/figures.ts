import type { Limit } from '#shared/gate.ts'

/** How the page writes numbers and times. Pure. */

export const percent = (ratio: number): string => `${Number((ratio * 100).toPrecision(4))} %`

export function value(unit: Limit['unit'], number: number): string {
  switch (unit) {
    case 'ratio': return percent(number)
    case 'seconds': return `${Number(number.toPrecision(4))} s`
    case 'times': return `${Number(number.toPrecision(3))}x`
    case 'number': return Number(number.toPrecision(5)).toLocaleString('en-US', { maximumSignificantDigits: 5 })
  }
}

/** `≤ 1 %` */
export const limit = ({ breaksWhen, unit, value: number }: Limit): string => `${breaksWhen === 'above' ? '≤' : '≥'} ${value(unit, number)}`

/** A length of time at a glance: `43 ms`, `1.9 s`, `12 s`, `1 m 05 s`, `3 h 20 m`, `2 d 4 h`. */
export function brief(ms: number): string {
  if (!Number.isFinite(ms)) return '–'
  if (ms < 0) return `−${brief(-ms)}`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 9_950) return `${Number((ms / 1_000).toFixed(1))} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, '0')} m`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor(seconds / 3_600) % 24} h`
}

/** `0:23`, `12:05`, `1:00:00` */
export function stopwatch(ms: number): string {
  const count = Number.isFinite(ms) ? Math.max(0, Math.floor(ms / 1_000)) : 0
  const twoDigits = (part: number) => String(part).padStart(2, '0')
  const minutes = Math.floor(count / 60)
  return minutes < 60 ? `${minutes}:${twoDigits(count % 60)}` : `${Math.floor(minutes / 60)}:${twoDigits(minutes % 60)}:${twoDigits(count % 60)}`
}

/** In the reader's own time zone: `2026-11-27 14:03:22`. */
export function date(ms: number): string {
  const at = new Date(ms)
  if (Number.isNaN(at.getTime())) return '–'
  const two = (part: number) => String(part).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** How long ago, or how soon: `3 m 10 s ago`, `in 2 h 05 m`. */
export const relative = (atMs: number, nowMs: number): string => atMs > nowMs ? `in ${brief(atMs - nowMs)}` : nowMs - atMs < 1_000 ? 'just now' : `${brief(nowMs - atMs)} ago`

/** How long ago, in the one unit that tells: `40 s ago`, `31 m ago`, `5 h ago`, `2 d ago`. */
export function roughly(atMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - atMs) / 1_000))
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ago`
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`
}

/** Round numbers from `low` to `high`, about so many. */
export function ticks(low: number, high: number, wanted: number): number[] {
  const span = high - low
  if (!(span > 0) || !Number.isFinite(span)) return [low]
  const rough = span / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find(factor => factor * power >= rough) ?? 10)
  const first = Math.ceil(low / step - 1e-9)
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)))
}

/** Seconds between two marks of a time axis: what people count in. */
export function timeStepMs(spanMs: number, wanted: number): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400]
  const least = spanMs / wanted / 1_000
  return (steps.find(step => step >= least) ?? 86_400) * 1_000
}
