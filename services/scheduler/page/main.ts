import { Client, NotThere, TokenRefused } from './client.ts'
import { follow } from './following.ts'
import { frame } from './frame.ts'
import { patch } from './patch.ts'
import { emptyRun, standing, take } from './run-fold.ts'
import { emptyState, gone, routeOf, signedOut, themes, verdictFilters, type Known, type State } from './state.ts'
import { storedTheme, storedToken, storeTheme, storeToken, takeTokenFromAddress } from './storage.ts'
import type { Caller, Coverage, Halt, News, Policies, RunSummary } from './wire.ts'

/** The page's effects: what comes in from the scheduler and from the user, and what is drawn of it. */

const haltEveryMs = 5_000
const viewEveryMs = 10_000
const clockEveryMs = 1_000

const app = document.querySelector('#app') ?? document.body
let state: State = { ...emptyState, theme: storedTheme(), token: takeTokenFromAddress() ?? storedToken() }
state = gone(state, routeOf(location.hash))
let following = new AbortController()
let isDrawn = true
let headIsDue = false

function change(next: Partial<State>): void {
  state = { ...state, ...next }
  if (!isDrawn) return
  isDrawn = false
  requestAnimationFrame(draw)
}

function draw(): void {
  isDrawn = true
  document.documentElement.dataset['theme'] = state.theme
  document.title = titleOf(state)
  const hadFocus = document.activeElement !== document.body
  patch(app, frame(state, Date.now() + state.clockAheadMs))
  const dialog = app.querySelector('dialog')
  if (dialog && !dialog.open) dialog.showModal()
  const focusIsLost = hadFocus && document.activeElement === document.body
  if (headIsDue || focusIsLost) app.querySelector('h1')?.focus()
  headIsDue = false
}

function titleOf({ route, run, token }: State): string {
  if (token === undefined) return 'Sign in – faultline'
  if (route.view === 'run') return `${run ? `${standing(run)}: ` : ''}${route.run} – faultline`
  return `${{ runs: 'Runs', coverage: 'Coverage', policies: 'Policies' }[route.view]} – faultline`
}

/** One stream at a time: browsers open few connections to one host, and a tab that nobody sees needs none. */
function followRoute(): void {
  following.abort()
  following = new AbortController()
  const { token, route } = state
  if (token === undefined || document.hidden) return
  storeToken(token)
  const client = new Client(token)
  const { signal } = following
  const path = route.view === 'run' ? `runs/${encodeURIComponent(route.run)}/live` : 'events'
  let isNew = true
  void follow(client, path, signal, () => state.run?.judged !== undefined, {
    onBegin() {
      isNew = true
      change({ connection: 'live' })
    },
    onEvent({ event, data }) {
      if (event === 'news' && route.view === 'run') heard(data as News, isNew ? emptyRun(route.run) : state.run ?? emptyRun(route.run))
      if (event === 'runs') change({ runs: new Map((data as RunSummary[]).map(run => [run.run, run])), runsAreKnown: true })
      if (event === 'run') change({ runs: new Map(state.runs).set((data as RunSummary).run, data as RunSummary) })
      isNew = false
    },
    onLost: () => change({ connection: 'lost' }),
    onEnd(how) {
      if (how === 'token refused') signOut('The scheduler does not take this token.')
      if (how === 'not there') change({ runIsUnknown: true, connection: 'live' })
    },
  })
  void ask<Caller>(client, 'whoami', caller => ({ caller }))
  poll(signal, haltEveryMs, () => ask<Halt>(client, 'halt', halt => ({ halt })))
  if (route.view === 'coverage') poll(signal, viewEveryMs, () => ask<Coverage>(client, 'coverage', coverage => ({ coverage })))
  if (route.view === 'policies') poll(signal, viewEveryMs, () => ask<Policies>(client, 'policies', policies => ({ policies })))
}

function heard(news: News, before: NonNullable<State['run']>): void {
  const run = take(before, news)
  const isOther = standing(run) !== standing(before)
  change({ run, clockAheadMs: news.nowMs - Date.now(), ...(isOther && { announcement: `${run.plan?.experiment ?? run.run}: ${standing(run)}` }) })
}

/** Until the signal aborts, or the scheduler says that it has no such thing. */
function poll(signal: AbortSignal, everyMs: number, look: () => Promise<'again' | 'enough'>): void {
  const again = async () => {
    if (signal.aborted || await look() === 'enough') return
    setTimeout(() => void again(), everyMs)
  }
  void again()
}

async function ask<T>(client: Client, path: string, changed: (known: Known<T>) => Partial<State>): Promise<'again' | 'enough'> {
  try {
    const value = await client.ask('GET', path) as T
    if (state.token !== undefined) change(changed({ is: 'there', value }))
    return 'again'
  } catch (error) {
    if (!(error instanceof NotThere)) return error instanceof TokenRefused ? 'enough' : 'again' // the stream tells of a lost connection, and of the token
    change(changed({ is: 'absent' }))
    return 'enough'
  }
}

/** A deed of the user's; what comes of it is told by the streams. */
async function undertake(path: string, done: string): Promise<void> {
  if (state.token === undefined) return
  try {
    await new Client(state.token).ask('POST', path, {})
    change({ announcement: done, problem: undefined })
  } catch (error) {
    if (error instanceof TokenRefused) signOut(error.message)
    else change({ problem: error instanceof Error ? error.message : String(error) })
  }
}

async function confirm(): Promise<void> {
  const { dialog } = state
  closeDialog()
  if (dialog?.ask === 'abort') await undertake(`runs/${encodeURIComponent(dialog.run)}/abort`, 'The run is being aborted.')
  if (dialog?.ask === 'halt' || dialog?.ask === 'resume') {
    await undertake(dialog.ask, dialog.ask === 'halt' ? 'Everything is halted.' : 'Resumed.')
    if (state.token !== undefined) await ask<Halt>(new Client(state.token), 'halt', halt => ({ halt }))
    const { halt } = state
    if (dialog.ask === 'resume' && halt.is === 'there' && halt.value.halted) { // a file is not the scheduler's to take away
      change({ announcement: '', problem: `Still halted by ${halt.value.by ?? 'somebody'}: faultline resume takes it away.` })
    }
  }
}

/** Closed before it is taken away, so that the browser gives the focus back to the button that opened it. */
function closeDialog(): void {
  app.querySelector('dialog')?.close()
  change({ dialog: undefined })
}

function signOut(problem?: string): void {
  following.abort()
  storeToken(undefined)
  change(signedOut(state, problem))
  headIsDue = problem === undefined
}

function signIn(token: string): void {
  change({ ...gone(state, state.route), token, caller: { is: 'unknown' }, signInProblem: undefined })
  headIsDue = true
  followRoute()
}

const deeds: Readonly<Record<string, (data: DOMStringMap) => void>> = {
  'skip': () => app.querySelector('h1')?.focus(),
  'theme': () => {
    const theme = themes[(themes.indexOf(state.theme) + 1) % themes.length] ?? 'system'
    storeTheme(theme)
    change({ theme })
  },
  'sign-out': () => signOut(),
  'page': ({ page }) => change({ filter: { ...state.filter, page: Number(page) } }),
  'ask-abort': ({ run }) => { if (run !== undefined && !state.run?.abort) change({ dialog: { ask: 'abort', run } }) },
  'ask-halt': () => change({ dialog: { ask: 'halt' } }),
  'ask-resume': () => change({ dialog: { ask: 'resume' } }),
  'cancel': closeDialog,
  'confirm': () => void confirm(),
}

document.addEventListener('click', ({ target }) => {
  const button = target instanceof Element ? target.closest<HTMLElement>('button[data-do]') : null
  deeds[button?.dataset['do'] ?? '']?.(button?.dataset ?? {})
})

document.addEventListener('submit', event => {
  event.preventDefault()
  const form = event.target instanceof HTMLFormElement ? event.target : undefined
  const token = form?.dataset['do'] === 'sign-in' ? new FormData(form).get('token') : null
  if (typeof token === 'string' && token.trim() !== '') signIn(token.trim())
})

document.addEventListener('input', ({ target }) => {
  if (target instanceof HTMLInputElement && target.dataset['filter'] === 'text') change({ filter: { ...state.filter, text: target.value, page: 0 } })
  if (target instanceof HTMLSelectElement && target.dataset['filter'] === 'verdict') change({ filter: { ...state.filter, verdict: verdictFilters.find(known => known === target.value) ?? 'all', page: 0 } })
})

document.addEventListener('close', () => change({ dialog: undefined }), { capture: true }) // by Escape; it does not bubble

addEventListener('hashchange', () => {
  const token = takeTokenFromAddress()
  if (token !== undefined) state = { ...state, token, caller: { is: 'unknown' }, signInProblem: undefined }
  change(gone(state, routeOf(location.hash)))
  headIsDue = true
  scrollTo(0, 0)
  followRoute()
})

document.addEventListener('visibilitychange', followRoute)
new ResizeObserver(([entry]) => { if (entry) change({ width: Math.max(300, Math.min(1_400, Math.floor(entry.contentRect.width) - paddings())) }) }).observe(app)
setInterval(() => { if (state.token !== undefined) change({}) }, clockEveryMs)

/** What style.css leaves empty on both sides of a plot. */
const paddings = () => innerWidth < 700 ? 44 : 84

change({})
followRoute()
