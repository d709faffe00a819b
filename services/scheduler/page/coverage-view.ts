import { badge } from './badge.ts'
import { html, type Content, type Element } from './element.ts'
import { date, relative, roughly } from './figures.ts'
import { scrolled } from './run-tables.ts'
import { linkToRun, type Known } from './state.ts'
import type { Coverage, CoverageCell, CoveredService } from './wire.ts'

/** Which service was tried with which kind of fault, how that ended, how long ago and in which version. */
export function coverageView(known: Known<Coverage>, nowMs: number): Content {
  return [html('h1', { tabindex: -1 }, 'Coverage'), content(known, nowMs)]
}

function content(known: Known<Coverage>, nowMs: number): Content {
  if (known.is === 'unknown') return html('p', { class: 'soft' }, 'Asking the scheduler …')
  if (known.is === 'absent') return html('p', { class: 'empty' }, 'This scheduler keeps no coverage.')
  const { services, kinds, unknown, discoveredAtMs } = known.value
  return [
    unknown !== null && html('p', { class: 'banner inconclusive' }, html('strong', {}, 'not discovered'), html('span', {}, unknown)),
    discoveredAtMs !== null && html('p', { class: 'soft' }, `Services of opted-in namespaces, discovered ${relative(discoveredAtMs, nowMs)}. Stale: another version than now, or too long ago.`),
    services.length === 0 ? html('p', { class: 'empty' }, 'No service is known yet.') : scrolled('Services by kinds of fault', html('table', { class: 'matrix' },
      html('thead', {}, html('tr', {}, html('th', { scope: 'col' }, 'service'), kinds.map(kind => html('th', { scope: 'col' }, kind)))),
      html('tbody', {}, services.map(service => serviceRow(service, kinds, nowMs))),
    )),
  ]
}

function serviceRow({ namespace, app, versions, present, cells }: CoveredService, kinds: readonly string[], nowMs: number): Element {
  return html('tr', { key: `${namespace}/${app}` },
    html('th', { scope: 'row' }, namespace !== '' && [html('span', { class: 'soft' }, `${namespace}/`), html('wbr')], app, html('span', { class: 'soft block' }, present ? versions.join(', ') : 'not there now')),
    kinds.map(kind => coverageCell(cells.find(cell => cell.kind === kind), versions, nowMs)),
  )
}

/** The version that was tested is told where it is another one than now. */
function coverageCell(cell: CoverageCell | undefined, versions: readonly string[], nowMs: number): Element {
  if (!cell) return html('td', { class: 'never' }, html('span', { 'aria-hidden': 'true' }, '–'), html('span', { class: 'unseen' }, 'never tried'))
  const { verdict, run, experiment, atMs, version, stale } = cell
  return html('td', { class: stale ? 'stale' : undefined },
    html('a', { href: linkToRun(run), title: `${experiment}, ${date(atMs)}${version === null ? '' : `, of ${version}`}` }, badge(verdict)),
    html('span', { class: 'soft block' }, `${roughly(atMs, nowMs)}${version === null || versions.includes(version) ? '' : `, ${version}`}${stale ? ', stale' : ''}`),
  )
}
