import { whyNot } from './caller.ts'
import { coverageView } from './coverage-view.ts'
import { html, type Child, type Content, type Element } from './element.ts'
import { date } from './figures.ts'
import { policiesView } from './policies-view.ts'
import { runView } from './run-view.ts'
import { runsView } from './runs-view.ts'
import type { Dialog, Route, State, Theme } from './state.ts'

/** The whole page: what stands around a view, and the view. */
export function frame(state: State, nowMs: number): Child[] {
  if (state.token === undefined) return [banner(state), html('main', { id: 'main', key: 'main' }, signIn(state)), said(state)]
  return [
    banner(state),
    html('main', { id: 'main', key: 'main' },
      state.problem !== undefined && html('p', { class: 'banner failed', role: 'alert', key: 'problem' }, state.problem),
      haltBanner(state),
      html('div', { key: state.route.view === 'run' ? `run ${state.route.run}` : state.route.view }, view(state, nowMs))),
    said(state),
    ...(state.dialog ? [dialog(state.dialog)] : []),
  ]
}

function view(state: State, nowMs: number): Content {
  switch (state.route.view) {
    case 'runs': return runsView(state, nowMs)
    case 'run': return runView(state, nowMs)
    case 'coverage': return coverageView(state.coverage, nowMs)
    case 'policies': return policiesView(state.policies, nowMs)
  }
}

function banner(state: State): Element {
  const { token, route, theme, halt, caller } = state
  return html('header', { class: 'top', key: 'top' },
    html('a', { class: 'brand', href: '#/' }, 'faultline'),
    token !== undefined && html('nav', { 'aria-label': 'Views' }, html('ul', {}, tab('#/', 'Runs', 'runs', route), tab('#/coverage', 'Coverage', 'coverage', route), tab('#/policies', 'Policies', 'policies', route))),
    html('div', { class: 'tools' },
      token !== undefined && connection(state),
      token !== undefined && caller.is === 'there' && html('span', { class: 'soft', key: 'caller' }, `${caller.value.name} (${caller.value.role})`),
      token !== undefined && halt.is === 'there' && (halt.value.halted
        ? !whyNot(caller, 'admin') && html('button', { type: 'button', 'data-do': 'ask-resume', key: 'resume' }, 'Resume')
        : !whyNot(caller, 'operator') && html('button', { type: 'button', class: 'danger', 'data-do': 'ask-halt', key: 'halt' }, 'Halt all')),
      html('button', { type: 'button', 'data-do': 'theme', key: 'theme' }, `Colours: ${themeWords[theme]}`),
      token !== undefined && html('button', { type: 'button', 'data-do': 'sign-out', key: 'out' }, 'Sign out'),
    ),
  )
}

const themeWords: Readonly<Record<Theme, string>> = { system: 'as the system', light: 'light', dark: 'dark' }

function tab(href: string, label: string, name: Route['view'], route: Route): Element {
  const isCurrent = route.view === name || (name === 'runs' && route.view === 'run')
  return html('li', {}, html('a', { href, 'aria-current': isCurrent ? (route.view === 'run' ? 'true' : 'page') : undefined }, label))
}

function connection({ connection: at, run, route }: State): Element {
  const isOver = route.view === 'run' && run?.judged !== undefined
  const words = isOver ? 'judged' : { connecting: 'connecting …', live: 'live', lost: 'connection lost, trying again …' }[at]
  return html('span', { class: `connection ${isOver ? 'live' : at}`, key: 'connection' }, words)
}

function haltBanner({ halt, caller }: State): Content {
  if (halt.is !== 'there' || !halt.value.halted) return undefined
  const { why, by, sinceMs } = halt.value
  const mayNot = whyNot(caller, 'admin')
  return html('div', { class: 'banner failed', key: 'halted' }, html('strong', {}, 'halted'),
    html('span', {}, `Nothing is begun${why ? `: ${why}` : ''}${by ? ` (${by})` : ''}${sinceMs ? `, since ${date(sinceMs)}` : ''}.${mayNot === undefined ? '' : ` To resume: ${mayNot}`}`))
}

function signIn({ signInProblem }: State): Element {
  return html('form', { class: 'sign-in', 'data-do': 'sign-in', key: 'sign-in' },
    html('h1', { tabindex: -1 }, 'Sign in'),
    html('p', {}, 'The page shows what the scheduler\'s API says, and needs the same token. ', html('code', {}, 'faultline page'), ' prints an address that carries it, ', html('code', {}, 'faultline page --cluster'), ' for a cluster.'),
    html('label', { for: 'token' }, 'Token'),
    html('input', { id: 'token', name: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true, 'aria-describedby': signInProblem === undefined ? undefined : 'token-problem', 'aria-invalid': signInProblem === undefined ? undefined : 'true' }),
    signInProblem !== undefined && html('p', { id: 'token-problem', class: 'bad', role: 'alert' }, signInProblem),
    html('button', { type: 'submit', class: 'primary' }, 'Sign in'),
  )
}

const said = ({ announcement }: State) => html('p', { role: 'status', class: 'unseen', key: 'said' }, announcement)

const questions: Readonly<Record<Dialog['ask'], { title: string; text: string; yes: string }>> = {
  abort: { title: 'Abort this run?', text: 'Its faults are reverted at once, and it ends as inconclusive. This cannot be taken back.', yes: 'Abort the run' },
  halt: { title: 'Halt everything?', text: 'Every run under way is aborted, its faults are reverted, and nothing is begun until somebody resumes.', yes: 'Halt everything' },
  resume: { title: 'Resume?', text: 'Runs may be begun again, by policies too.', yes: 'Resume' },
}

function dialog(asked: Dialog): Element {
  const { title, text, yes } = questions[asked.ask]
  return html('dialog', { key: `dialog ${asked.ask}`, 'aria-labelledby': 'dialog-title', 'aria-describedby': 'dialog-text' },
    html('h2', { id: 'dialog-title' }, title),
    asked.ask === 'abort' && html('p', {}, html('code', {}, asked.run)),
    html('p', { id: 'dialog-text' }, text),
    html('div', { class: 'row end' },
      html('button', { type: 'button', 'data-do': 'cancel' }, 'Cancel'),
      html('button', { type: 'button', class: asked.ask === 'resume' ? 'primary' : 'danger', 'data-do': 'confirm', autofocus: true }, yes)),
  )
}
