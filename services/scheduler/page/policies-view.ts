import { badge } from './badge.ts'
import { html, type Content, type Element } from './element.ts'
import { date, percent, relative } from './figures.ts'
import { linkToRun, type Known } from './state.ts'
import type { Policies, PolicyState } from './wire.ts'

/** Each policy with what it does next and what came of what it did, day by day. */
export function policiesView(known: Known<Policies>, nowMs: number): Content {
  return [html('h1', { tabindex: -1 }, 'Policies'), content(known, nowMs)]
}

function content(known: Known<Policies>, nowMs: number): Content {
  if (known.is === 'unknown') return html('p', { class: 'soft' }, 'Asking the scheduler …')
  if (known.is === 'absent') return html('p', { class: 'empty' }, 'This scheduler has no policies.')
  const { policies } = known.value
  return policies.length === 0 ? html('p', { class: 'empty' }, 'No policy yet.') : policies.map(policy => policySection(policy, nowMs))
}

function policySection(policy: PolicyState, nowMs: number): Element {
  const { name, state, reason, nextAtMs, budgets } = policy
  const id = `policy-${name}`
  return html('section', { key: name, 'aria-labelledby': id },
    html('div', { class: 'row' }, html('h2', { id }, name), badge(state),
      html('span', { class: 'soft' }, nextAtMs === null ? 'no next run' : `next ${relative(nextAtMs, nowMs)}, ${date(nextAtMs)}`)),
    reason !== null && html('p', {}, reason),
    budgets.length > 0 && html('ul', { class: 'plain budgets' }, budgets.map(({ slo, remainingRatio, why }) => html('li', { key: slo },
      html('span', {}, `error budget of ${slo}: `),
      remainingRatio === null ? html('span', { class: 'bad' }, `unknown${why === null ? '' : `: ${why}`}`)
        : [html('progress', { max: 1, value: Math.max(0, Math.min(1, remainingRatio)), 'aria-label': `error budget of ${slo} that remains` }), ` ${percent(remainingRatio)} remains`],
    ))),
    calendar(policy),
  )
}

interface Entry { atMs: number; experiment: string; run: string | null; outcome: string | undefined }

function calendar({ name, upcoming, recent }: PolicyState): Content {
  const entries: Entry[] = [...recent, ...upcoming.map(tick => ({ ...tick, run: null, outcome: undefined }))].sort((a, b) => a.atMs - b.atMs)
  if (entries.length === 0) return html('p', { class: 'soft' }, 'Nothing was run, and nothing is planned.')
  const days = Map.groupBy(entries, ({ atMs }) => date(atMs).slice(0, 10))
  return html('ol', { class: 'calendar', 'aria-label': `Calendar of ${name}` }, [...days].map(([day, ofDay]) => html('li', { key: day },
    html('h3', {}, `${weekday(ofDay[0]?.atMs ?? 0)} ${day}`),
    html('ol', { class: 'plain' }, ofDay.map(({ atMs, experiment, run, outcome }) => html('li', { class: outcome === undefined ? 'upcoming' : undefined },
      html('time', { datetime: new Date(atMs).toISOString() }, date(atMs).slice(11, 16)),
      run === null ? html('span', {}, experiment) : html('a', { href: linkToRun(run) }, experiment),
      outcome === undefined ? html('span', { class: 'soft' }, 'planned') : badge(outcome),
    ))),
  )))
}

const weekday = (atMs: number) => ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][new Date(atMs).getDay()] ?? ''
