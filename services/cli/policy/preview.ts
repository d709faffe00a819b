import { DateTime } from 'luxon'
import { whyClosed } from '#shared/policy-calendar.ts'
import { describeFaults } from '#shared/policy-services.ts'
import { allGoesWell, simulate } from '#shared/policy-simulation.ts'
import { printServices, type Policy } from '#shared/policy.ts'

/** What a policy would do, for people and for `--json`. Dates of the policy's time zone. */
export interface PolicyPreview {
  policy: string
  timeZone: string
  from: string
  to: string
  /** Of those planned, `run` are begun; the others are skipped, by reason. */
  planned: number
  run: number
  skipped: Record<string, number>
  /** By the mean rate alone; undefined for a cron pattern. */
  expected?: number | undefined
  templates: { name: string; weight: number; run: number; does: string; services: string; longestMs: number }[]
  days: PreviewDay[]
  supposed: string[]
}
export interface PreviewDay { date: string; weekday: string; hours: PreviewHalfHour[]; entries: PreviewEntry[] }
/** Half hours from midnight by the clock. `open`: a run may begin at some time in it. */
export interface PreviewHalfHour { open: boolean; runs: number }
export interface PreviewEntry { planned: string; begins: string | null; template: string; run: string | null; skipped: string | null }

export const mostTicks = 50_000
const halfHourMs = 1_800_000

/** Pure. */
export function previewPolicy(policy: Policy, fromMs: number, days: number): PolicyPreview {
  const zone = { zone: policy.calendar.timeZone }
  const start = DateTime.fromMillis(fromMs, zone)
  const toMs = start.plus({ days }).toMillis()
  const { runs, skipped } = simulate(policy, fromMs, toMs, allGoesWell)
  const clock = (atMs: number) => DateTime.fromMillis(atMs, zone).toFormat('HH:mm:ss')
  const entries = [
    ...runs.map(({ plannedMs, beginMs, template, run }) => ({ atMs: plannedMs, entry: { planned: clock(plannedMs), begins: clock(beginMs), template: template.name, run, skipped: null } })),
    ...skipped.map(({ plannedMs, template, reason, why }) => ({ atMs: plannedMs, entry: { planned: clock(plannedMs), begins: null, template: template.name, run: null, skipped: `${reason}: ${why}` } })),
  ].toSorted((a, b) => a.atMs - b.atMs)
  const byDate = Map.groupBy(entries, ({ atMs }) => DateTime.fromMillis(atMs, zone).toISODate() ?? '')
  const shortestMs = Math.min(...policy.templates.map(({ lengthMs }) => lengthMs))
  const beganBy = Map.groupBy(runs, ({ beginMs }) => halfHourOf(DateTime.fromMillis(beginMs, zone)))
  return {
    policy: policy.name, timeZone: policy.calendar.timeZone, from: start.toISO() ?? '', to: DateTime.fromMillis(toMs, zone).toISO() ?? '',
    planned: entries.length, run: runs.length,
    skipped: Object.fromEntries([...Map.groupBy(skipped, ({ reason }) => reason)].map(([reason, those]) => [reason, those.length])),
    expected: policy.timing.by === 'rate' ? policy.timing.perMs * openMs(policy, fromMs, toMs) : undefined,
    templates: policy.templates.map(template => ({
      name: template.name, weight: template.weight, run: runs.filter(run => run.template === template).length,
      does: describeFaults(template.experiment), services: printServices(template), longestMs: template.lengthMs,
    })),
    days: datesBetween(start, toMs).map(day => {
      const date = day.toISODate() ?? ''
      return {
        date, weekday: day.toFormat('ccc'), entries: (byDate.get(date) ?? []).map(({ entry }) => entry),
        hours: Array.from({ length: 48 }, (_, index) => {
          const at = day.set({ hour: Math.floor(index / 2), minute: index % 2 * 30 })
          const looks = [0, 1, 2, 3, 4, 5].map(part => at.toMillis() + part * halfHourMs / 6)
          return { open: looks.some(atMs => atMs >= fromMs && atMs < toMs && !whyClosed(policy.calendar, atMs, shortestMs)), runs: beganBy.get(halfHourOf(at))?.length ?? 0 }
        }),
      }
    }),
    supposed: [
      'Supposed: each run takes as long as it may and passes, nobody else runs anything, and no error budget burns.',
      ...policy.budgets.length > 0 ? [`As budgets burn, fewer of these run, at the same times: ${policy.budgets.map(({ slo }) => slo).join(', ')}.`] : [],
      ...policy.prefersCoverage ? ['Coverage is not known here: templates are chosen by their weights alone, so that those may differ, and the times may not.'] : [],
    ],
  }
}

const halfHourOf = (at: DateTime) => `${at.toISODate()} ${at.hour * 2 + Math.floor(at.minute / 30)}`

/** Time in which a tick can be, by minutes. */
function openMs({ calendar, templates }: Policy, fromMs: number, toMs: number): number {
  const longestMs = Math.max(...templates.map(({ lengthMs }) => lengthMs))
  let open = 0
  for (let atMs = fromMs; atMs < toMs; atMs += 60_000) if (!whyClosed(calendar, atMs, longestMs)) open += 60_000
  return open
}

function datesBetween(start: DateTime, toMs: number): DateTime[] {
  const dates: DateTime[] = []
  for (let day = start.startOf('day'); day.toMillis() < toMs; day = day.plus({ days: 1 })) dates.push(day)
  return dates
}
