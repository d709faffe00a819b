import { badge } from './badge.ts'
import { html, type Content, type Element } from './element.ts'
import { brief, date, limit, value } from './figures.ts'
import { tellingLooks, type FaultView, type GateView, type NodeFault, type ProbeView, type RunView } from './run-fold.ts'
import { tell } from './told.ts'
import type { PlannedGate } from './wire.ts'

/** A run's gates, faults, probes and events in words and numbers. Pure. */

/** More events than this are not shown at once: the first ones say what was asked, the last ones what is. */
const shownEvents = 300

export function gatesTable(view: RunView): Content {
  const rows = (view.plan?.gates ?? []).flatMap(gate => {
    const views = [...view.gates.values()].filter(({ gate: name }) => name === gate.name)
    return views.length === 0 ? [gateRow(gate, undefined)] : views.map(each => gateRow(gate, each))
  })
  if (rows.length === 0) return html('p', { class: 'soft' }, 'The experiment is not known yet.')
  return scrolled('Gates', html('table', {},
    html('thead', {}, html('tr', {}, ['gate', 'phase', 'status', 'now', 'evidence'].map(head => html('th', { scope: 'col' }, head)))),
    html('tbody', {}, rows),
  ))
}

function gateRow({ name, phase, limits, description, source }: PlannedGate, view: GateView | undefined): Element {
  const last = view && tellingLooks(view).at(-1)
  const against = limits.map(limit).join(', ')
  const unit = limits[0]?.unit ?? 'number'
  return html('tr', { key: `${view?.phase ?? phase}/${name}` },
    html('th', { scope: 'row' }, name, html('span', { class: 'soft block' }, description)),
    html('td', {}, view?.phase ?? phase),
    html('td', {}, badge(view?.status ?? 'pending')),
    html('td', { class: last?.breaks ? 'number bad' : 'number' }, last ? last.value === null ? 'no data' : value(unit, last.value) : '–', html('span', { class: 'soft block' }, against)),
    html('td', { class: 'evidence' }, view ? evidence(name, view) : html('span', { class: 'soft' }, source === 'probe' ? 'judged at the end of the run, from all that the probers saw' : 'its phase has not begun')),
  )
}

/** How much of what the phase can show has been seen. A look without data fills nothing. */
function evidence(name: string, view: GateView): Content {
  const { dueLooks, evidence: words, phase } = view
  const looks = tellingLooks(view)
  const measured = looks.filter(({ value }) => value !== null).length
  const broke = looks.filter(({ breaks }) => breaks).length
  const seen = `${measured}${dueLooks === null ? '' : ` of ${Math.max(dueLooks, looks.length)}`} looks${broke > 0 ? `, ${broke} broke the limit` : ''}`
  return [
    dueLooks !== null && html('progress', { max: Math.max(dueLooks, looks.length, 1), value: measured, 'aria-label': `evidence of ${name} (${phase})` }),
    looks.length > 0 && html('span', {}, ` ${seen}`),
    html('span', { class: 'soft block' }, words),
  ]
}

export function faultsTable({ plan, faults, phases, abort, sealedAtMs }: RunView, nowMs: number): Content {
  const planned = new Map((plan?.faults ?? []).map(fault => [fault.id, fault]))
  const steadyMs = phases.find(({ phase }) => phase === 'steady')?.atMs
  const waiting = [...planned.values()].filter(({ id }) => !faults.has(id)).map(({ id, kind, target, atMs }) => html('tr', { key: id },
    html('th', { scope: 'row' }, id), html('td', {}, kind),
    html('td', {}, abort || sealedAtMs !== undefined ? badge('not injected') : badge('waiting')),
    html('td', { class: 'number' }, steadyMs === undefined ? `${brief(atMs)} after steady begins` : steadyMs + atMs > nowMs ? `in ${brief(steadyMs + atMs - nowMs)}` : '–'),
    html('td', {}, target),
  ))
  const rows = [...faults.values()].flatMap(fault => faultRows(fault, planned.get(fault.id)?.durationMs ?? null, nowMs))
  if (rows.length + waiting.length === 0) return html('p', { class: 'soft' }, plan ? 'This experiment does nothing to the system: load and gates alone.' : 'The experiment is not known yet.')
  return scrolled('Faults and targets', html('table', {},
    html('thead', {}, html('tr', {}, ['fault', 'kind', 'state', 'time', 'targets'].map(head => html('th', { scope: 'col' }, head)))),
    html('tbody', {}, rows, waiting),
  ))
}

function faultRows({ id, kind, nodes }: FaultView, durationMs: number | null, nowMs: number): Element[] {
  return [...nodes].map(([node, fault]) => html('tr', { key: `${id} on ${node}` },
    html('th', { scope: 'row' }, id), html('td', {}, kind, html('span', { class: 'soft block' }, `on ${node}`)),
    html('td', {}, badge(stateOf(fault, durationMs)), fault.why !== undefined && html('span', { class: 'block bad' }, fault.why)),
    html('td', { class: 'number' }, timeOf(fault, durationMs, nowMs)),
    html('td', {}, html('ul', { class: 'plain' }, fault.targets.map(target => html('li', {}, html('code', {}, target))))),
  ))
}

function stateOf({ at, verified, cause }: NodeFault, durationMs: number | null): string {
  if (at === 'active' && !verified) return 'not confirmed'
  if (at === 'active') return durationMs === null ? 'done' : 'active'
  if (at === 'reverted' && !verified) return 'revert not confirmed'
  return at === 'reverted' && cause === 'instant' ? 'done' : at
}

function timeOf({ sinceMs, endedMs, cause }: NodeFault, durationMs: number | null, nowMs: number): string {
  if (sinceMs === undefined) return '–'
  if (endedMs !== undefined) return cause === 'instant' ? 'in an instant' : `${brief(endedMs - sinceMs)}, ended by ${cause ?? 'its lease'}`
  return durationMs === null ? 'in an instant' : `${brief(nowMs - sinceMs)} of ${brief(durationMs)}`
}

export function probesTable({ probes }: RunView): Content {
  if (probes.size === 0) return undefined
  return html('section', { key: 'probes', 'aria-labelledby': 'probes-head' }, html('h2', { id: 'probes-head' }, 'Probes'), scrolled('Probes', html('table', {},
    html('thead', {}, html('tr', {}, ['probe', 'from', 'state', 'attempts', 'acknowledged writes'].map(head => html('th', { scope: 'col' }, head)))),
    html('tbody', {}, [...probes].map(([key, view]) => probeRow(key, view))),
  )))
}

function probeRow(key: string, { probe, node, state, why, slots, ledger }: ProbeView): Element {
  const failed = slots.reduce((sum, slot) => sum + slot.failed, 0)
  const all = slots.reduce((sum, slot) => sum + slot.ok, failed)
  return html('tr', { key },
    html('th', { scope: 'row' }, probe), html('td', {}, node), html('td', {}, badge(state), why !== undefined && html('span', { class: 'block bad' }, why)),
    html('td', { class: failed > 0 ? 'number bad' : 'number' }, all === 0 ? '–' : `${failed} of ${all} failed`),
    html('td', { class: ledger && ledger.missing > 0 ? 'number bad' : 'number' }, ledger ? `${ledger.missing} of ${ledger.acknowledged} missing` : '–'),
  )
}

/** The newest first. */
export function eventLog({ facts, startMs = 0 }: RunView): Element {
  const told = facts.flatMap(stored => {
    const line = tell(stored)
    return line ? [{ ...line, key: stored.stream, atMs: Date.parse(stored.fact.time) }] : []
  })
  const shown = told.slice(-shownEvents).reverse().map(({ key, atMs, what, text, tone }) => html('li', { key, class: tone },
    html('time', { datetime: new Date(atMs).toISOString(), title: date(atMs) }, `${((atMs - startMs) / 1_000).toFixed(1)} s`), html('b', {}, what), html('span', {}, text),
  ))
  return html('div', { class: 'log', tabindex: 0, role: 'region', 'aria-label': 'Events, newest first' }, html('ol', { class: 'plain', reversed: true }, shown))
}

/** What may be wider than the screen can be moved by keyboard too. */
export const scrolled = (label: string, content: Element): Element => html('div', { class: 'scrolled', tabindex: 0, role: 'region', 'aria-label': label }, content)
