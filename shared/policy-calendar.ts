import { DateTime } from 'luxon'

/**
 * When a policy may act: windows by the clock of a time zone, less the dates that are frozen. Pure. Days are calendar days of that zone, so that a
 * window has the hours that it says on the clock, also on the two days a year that are 23 or 25 hours long.
 */
export interface Calendar {
  timeZone: string
  /** Empty: always open. */
  windows: readonly Window[]
  freezes: readonly Freeze[]
}

/** Minutes of the day; `toMinute` up to 1440. When it is not after `fromMinute`, the window ends on the next day. */
export interface Window { days: readonly Weekday[]; fromMinute: number; toMinute: number }

/** First and last date, both frozen, as 2026-12-24. */
export interface Freeze { from: string; to: string; why: string | undefined }

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof weekdays)[number]

/** Epoch milliseconds; `toMs` is not in it. */
export interface Stretch { fromMs: number; toMs: number }

const minuteMs = 60_000
const dayMinutes = 1_440
const weekMinutes = 7 * dayMinutes
const utcDayMs = dayMinutes * minuteMs

/** Undefined when an act of that length, begun then, is in an open stretch from its beginning to its end; else what it would break. */
export function whyClosed(calendar: Calendar, atMs: number, lengthMs: number): { reason: 'window' | 'freeze'; why: string } | undefined {
  const endMs = atMs + lengthMs
  const known = reckonedOf(calendar)
  const frozen = known.frozen.find(({ stretch }) => overlaps(stretch, atMs, endMs))?.freeze
  if (frozen) return { reason: 'freeze', why: `${frozen.from} to ${frozen.to} is frozen${frozen.why === undefined ? '' : `: ${frozen.why}`}` }
  if (calendar.windows.length === 0 || known.open(atMs, endMs).some(({ fromMs, toMs }) => fromMs <= atMs && endMs <= toMs)) return undefined
  return { reason: 'window', why: 'no window is open for all of it' }
}

interface Reckoned { frozen: { freeze: Freeze; stretch: Stretch }[]; open(fromMs: number, toMs: number): readonly Stretch[] }

/** Dates of time zones are slow to reckon and asked for again and again. */
const reckoned = new WeakMap<Calendar, Reckoned>()
const keptRanges = 400

function reckonedOf(calendar: Calendar): Reckoned {
  const known = reckoned.get(calendar)
  if (known) return known
  const ranges = new Map<string, readonly Stretch[]>()
  const made: Reckoned = {
    frozen: calendar.freezes.map(freeze => ({ freeze, stretch: frozenStretch(calendar.timeZone, freeze) })),
    open(fromMs, toMs) {
      const [from, to] = [Math.floor(fromMs / utcDayMs), Math.ceil(toMs / utcDayMs)]
      const found = ranges.get(`${from} ${to}`) ?? windowStretches(calendar, from * utcDayMs, to * utcDayMs)
      if (ranges.size >= keptRanges) ranges.clear()
      ranges.set(`${from} ${to}`, found)
      return found
    },
  }
  reckoned.set(calendar, made)
  return made
}

const overlaps = ({ fromMs, toMs }: Stretch, startMs: number, endMs: number) => fromMs < Math.max(endMs, startMs + 1) && startMs < toMs

function frozenStretch(timeZone: string, { from, to }: Freeze): Stretch {
  const zone = { zone: timeZone }
  return { fromMs: DateTime.fromISO(from, zone).startOf('day').toMillis(), toMs: DateTime.fromISO(to, zone).plus({ days: 1 }).startOf('day').toMillis() }
}

/** The open stretches of the windows that touch this time, merged where they meet. */
export function windowStretches({ timeZone, windows }: Omit<Calendar, 'freezes'>, fromMs: number, toMs: number): Stretch[] {
  const found: Stretch[] = []
  const last = DateTime.fromMillis(toMs, { zone: timeZone }).plus({ days: 1 })
  // from a day before: a window of that day may end in this time
  for (let day = DateTime.fromMillis(fromMs, { zone: timeZone }).startOf('day').minus({ days: 1 }); day < last; day = day.plus({ days: 1 })) {
    const weekday = weekdays[day.weekday - 1]
    for (const { days, fromMinute, toMinute } of windows) {
      if (weekday === undefined || !days.includes(weekday)) continue
      const endsOn = toMinute > fromMinute ? day : day.plus({ days: 1 })
      found.push({ fromMs: onClock(day, fromMinute), toMs: onClock(endsOn, toMinute) })
    }
  }
  return merged(found).filter(stretch => overlaps(stretch, fromMs, toMs))
}

/** By the clock, not by time gone since midnight. A time that the clock leaves out in spring is the one after the gap. */
function onClock(day: DateTime, minute: number): number {
  if (minute === dayMinutes) return day.plus({ days: 1 }).startOf('day').toMillis()
  return day.set({ hour: Math.floor(minute / 60), minute: minute % 60, second: 0, millisecond: 0 }).toMillis()
}

function merged(stretches: readonly Stretch[]): Stretch[] {
  const joined: Stretch[] = []
  for (const next of stretches.filter(({ fromMs, toMs }) => fromMs < toMs).toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = joined.at(-1)
    if (last && next.fromMs <= last.toMs) last.toMs = Math.max(last.toMs, next.toMs)
    else joined.push({ ...next })
  }
  return joined
}

/**
 * How much of a usual week is open, by the clock: days on which a window opens, and the time in which something of that length can begin and be over before
 * its window closes. Without windows all of it.
 */
export function openWeek(windows: readonly Window[], lengthMs: number): { days: number; beginnableMs: number; shortestMs: number } {
  if (windows.length === 0) return { days: 7, beginnableMs: weekMinutes * minuteMs, shortestMs: Infinity }
  const days = new Set(windows.flatMap(window => window.days))
  const stretches = merged(windows.flatMap(({ days, fromMinute, toMinute }) => days.map(day => {
    const from = weekdays.indexOf(day) * dayMinutes
    return { fromMs: (from + fromMinute) * minuteMs, toMs: (from + toMinute + (toMinute > fromMinute ? 0 : dayMinutes)) * minuteMs }
  })))
  // the week is a circle: of three in a row, what begins in the middle one
  const weekMs = weekMinutes * minuteMs
  const circle = merged([0, 1, 2].flatMap(week => stretches.map(({ fromMs, toMs }) => ({ fromMs: fromMs + week * weekMs, toMs: toMs + week * weekMs }))))
  if (circle.some(({ fromMs, toMs }) => toMs - fromMs >= weekMs)) return { days: 7, beginnableMs: weekMs, shortestMs: Infinity }
  const lengths = circle.filter(({ fromMs }) => fromMs >= weekMs && fromMs < 2 * weekMs).map(({ fromMs, toMs }) => toMs - fromMs)
  return { days: days.size, beginnableMs: lengths.reduce((sum, length) => sum + Math.max(0, length - lengthMs), 0), shortestMs: Math.min(...lengths) }
}
