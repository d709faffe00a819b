import { badge } from './badge.ts'
import { html, type Content, type Element } from './element.ts'
import { date, relative } from './figures.ts'
import { scrolled } from './run-tables.ts'
import { linkToRun, verdictFilters, type Filter, type State } from './state.ts'
import type { RunSummary } from './wire.ts'

/** A page of the list holds as many runs as can be looked over; the filter goes through all of them. */
export const runsPerPage = 50

export function runsView({ runs, runsAreKnown, filter }: State, nowMs: number): Content {
  const found = matching(runs.values(), filter)
  const pages = Math.max(1, Math.ceil(found.length / runsPerPage))
  const page = Math.min(filter.page, pages - 1)
  const shown = found.slice(page * runsPerPage, (page + 1) * runsPerPage)
  return [
    html('h1', { tabindex: -1 }, 'Runs'),
    html('form', { class: 'filters', role: 'search', 'data-do': 'none' },
      html('label', {}, 'Name ', html('input', { type: 'search', name: 'text', 'data-filter': 'text', autocomplete: 'off', spellcheck: 'false', value: filter.text })),
      html('label', {}, 'Verdict ', html('select', { name: 'verdict', 'data-filter': 'verdict' }, verdictFilters.map(verdict => html('option', { value: verdict, selected: verdict === filter.verdict }, verdict)))),
      html('output', { class: 'soft' }, runsAreKnown ? `${found.length} of ${runs.size}` : 'asking the scheduler …'),
    ),
    found.length === 0 && runsAreKnown
      ? html('p', { class: 'empty' }, runs.size === 0 ? 'No run yet. `faultline run FILE`, an Experiment in the cluster or a policy begins one; it appears here by itself.' : 'No run matches.')
      : scrolled('Runs, newest first', html('table', { class: 'runs' },
        html('thead', {}, html('tr', {}, ['experiment', 'run', 'state', 'began', ''].map(head => html('th', { scope: 'col' }, head || html('span', { class: 'unseen' }, 'why it was aborted'))))),
        html('tbody', {}, shown.map(run => runRow(run, nowMs))),
      )),
    pages > 1 && html('nav', { class: 'pages', 'aria-label': 'Pages of the list' },
      html('button', { type: 'button', 'data-do': 'page', 'data-page': page - 1, disabled: page === 0 }, 'Newer'),
      html('span', {}, `page ${page + 1} of ${pages}`),
      html('button', { type: 'button', 'data-do': 'page', 'data-page': page + 1, disabled: page === pages - 1 }, 'Older'),
    ),
  ]
}

/** Newest first. */
export function matching(runs: Iterable<RunSummary>, { text, verdict }: Filter): RunSummary[] {
  const wanted = text.trim().toLowerCase()
  return [...runs].filter(run => {
    const isOfVerdict = verdict === 'all' || (verdict === 'under way' ? isUnderWay(run) : run.verdict === verdict)
    return isOfVerdict && (wanted === '' || run.run.toLowerCase().includes(wanted) || run.experiment.toLowerCase().includes(wanted))
  }).sort((a, b) => a.submittedAt < b.submittedAt ? 1 : a.submittedAt > b.submittedAt ? -1 : a.run < b.run ? 1 : -1)
}

const isUnderWay = ({ phase }: RunSummary) => phase !== 'judged' && phase !== 'sealed'

function runRow({ run, experiment, verdict, phase, submittedAt, aborting }: RunSummary, nowMs: number): Element {
  const atMs = Date.parse(submittedAt)
  return html('tr', { key: run },
    html('th', { scope: 'row' }, experiment),
    html('td', {}, html('a', { href: linkToRun(run) }, run)),
    html('td', {}, badge(verdict ?? (aborting !== null && phase !== 'sealed' ? 'aborting' : phase))),
    html('td', {}, html('time', { datetime: submittedAt, title: date(atMs) }, relative(atMs, nowMs))),
    html('td', { class: 'soft' }, aborting),
  )
}
