import { printDuration } from '#shared/units.ts'
import type { PolicyPreview, PreviewDay, PreviewHalfHour } from './preview.ts'

/** A line a day with its half hours, then each run of each day. Pure. */
export function renderPreview(preview: PolicyPreview): string {
  const { policy, timeZone, from, to, planned, run, skipped, expected, templates, days, supposed } = preview
  const skips = Object.entries(skipped).map(([reason, count]) => `${count} by ${reason}`).join(', ')
  const wide = Math.max(...templates.map(({ name }) => name.length))
  return [
    `${policy}, ${minute(from)} to ${minute(to)}, ${timeZone}`,
    `  ${run} runs of ${planned} planned${expected === undefined ? '' : ` (${expected.toFixed(1)} expected by the mean rate)`}${skips === '' ? '' : `; skipped: ${skips}`}`,
    '',
    '  templates',
    ...templates.map(({ name, weight, run: count, does, services, longestMs }) => `    ${name.padEnd(wide)}  weight ${weight}, ${count} runs, up to ${printDuration(longestMs)} each: ${does} [${services}]`),
    '',
    `  ${' '.repeat(14)}  ${axis}`,
    ...days.map(day => `  ${heading(day)}  ${plot(day.hours)}  ${runsOf(day)}`),
    `  ${' '.repeat(14)}  runs begun in each half hour; . none, a blank is closed, + ten or more`,
    '',
    ...days.flatMap(day => day.entries.length === 0 ? [] : [
      heading(day),
      ...day.entries.map(({ planned: at, begins, template, skipped: why }) => `  ${begins ?? at}  ${template.padEnd(wide)}  ${why === null ? begins === at ? '' : `waits since ${at}` : `skipped, ${why}`}`.trimEnd()),
      '',
    ]),
    ...supposed,
    '',
  ].join('\n')
}

const minute = (date: string) => date.slice(0, 16).replace('T', ' ')
const heading = ({ date, weekday }: PreviewDay) => `${weekday} ${date}`
const axis = Array.from({ length: 12 }, (_, index) => String(index * 2).padStart(2, '0').padEnd(4)).join('').trimEnd()
const plot = (hours: readonly PreviewHalfHour[]) => hours.map(({ open, runs }) => runs === 0 ? open ? '.' : ' ' : runs > 9 ? '+' : String(runs)).join('')

function runsOf({ entries }: PreviewDay): string {
  const begun = entries.filter(({ run }) => run !== null).length
  return begun === entries.length ? String(begun) : `${begun} of ${entries.length}`
}
