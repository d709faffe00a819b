import { badge } from './badge.ts'
import { whyNot } from './caller.ts'
import { html, type Content } from './element.ts'
import { brief, date, stopwatch } from './figures.ts'
import { isUnderWay, standing, type RunView } from './run-fold.ts'
import { axisOf, plots, timeline } from './run-plots.ts'
import { eventLog, faultsTable, gatesTable, probesTable } from './run-tables.ts'
import type { State } from './state.ts'

/** One run, as it happens. */
export function runView({ run: view, runIsUnknown, width, caller }: State, nowMs: number): Content {
  if (!view) return undefined
  if (runIsUnknown) return [html('h1', { tabindex: -1 }, 'No such run'), html('p', { class: 'empty' }, `The scheduler knows no run ${view.run}. `, html('a', { href: '#/' }, 'All runs'))]
  const axis = axisOf(view, nowMs, width)
  const drawn = plots(view, nowMs, axis)
  return [
    head(view, whyNot(caller, 'operator'), nowMs),
    outcome(view),
    section('time', 'Phases and faults', timeline(view, nowMs, axis)),
    section('gates', 'Gates', gatesTable(view)),
    section('plots', 'Over time', drawn.length > 0 ? drawn : html('p', { class: 'soft' }, 'No gate has taken a look yet, and there is no load.')),
    section('faults', 'Faults and targets', faultsTable(view, nowMs)),
    probesTable(view),
    section('events', 'Events', eventLog(view)),
  ]
}

const section = (id: string, title: string, content: Content) => html('section', { key: id, 'aria-labelledby': `${id}-head` }, html('h2', { id: `${id}-head` }, title), content)

/** `mayNot`: why whoever looks at it cannot abort it. */
function head(view: RunView, mayNot: string | undefined, nowMs: number): Content {
  const { run, plan, startMs, sealedAtMs, loadState } = view
  const facts: [string, Content][] = [
    ['run', html('code', {}, run)],
    ['began', startMs === undefined ? '–' : html('time', { datetime: new Date(startMs).toISOString() }, date(startMs))],
    ['load', plan?.load ? `${sealedAtMs === undefined ? `${loadState?.users ?? 0} of ` : ''}${plan.load.users} users at ${plan.load.host}` : plan ? 'none of its own' : '–'],
    ['lease', plan ? brief(plan.leaseMs) : '–'],
  ]
  return html('div', { class: 'run-head', key: 'head' },
    html('div', { class: 'row' },
      html('h1', { tabindex: -1 }, plan?.experiment ?? run),
      badge(standing(view)),
      html('span', { class: 'stopwatch', 'aria-label': 'time since it began' }, startMs === undefined ? '' : stopwatch((sealedAtMs ?? nowMs) - startMs)),
      isUnderWay(view) && mayNot !== undefined && html('span', { class: 'soft', key: 'may-not' }, `To abort it: ${mayNot}`),
      isUnderWay(view) && mayNot === undefined && html('button', { type: 'button', class: 'danger', key: 'abort', 'data-do': 'ask-abort', 'data-run': run, 'aria-disabled': view.abort ? 'true' : undefined }, view.abort ? 'Aborting …' : 'Abort'),
    ),
    plan?.description && html('p', { class: 'purpose' }, plan.description),
    html('dl', { class: 'facts' }, facts.map(([name, value]) => html('div', {}, html('dt', {}, name), html('dd', {}, value)))),
  )
}

/** Why it ended as it did, as soon as that is known. */
function outcome({ judged, abort }: RunView): Content {
  if (!judged && !abort) return undefined
  return html('div', { class: `banner ${judged?.verdict ?? 'aborting'}`, key: 'outcome' },
    html('strong', {}, judged?.verdict ?? 'aborting'),
    html('ul', { class: 'plain' },
      judged ? judged.reasons.map(reason => html('li', {}, reason)) : html('li', {}, `${abort?.cause}: ${abort?.detail}`),
      judged?.revertUnconfirmed && html('li', { class: 'bad' }, 'A revert was NOT CONFIRMED: its targets are quarantined.'),
    ),
  )
}
