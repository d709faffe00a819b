import { percent } from '#shared/gate-share.ts'
import type { LoadPoint } from '#shared/load-series.ts'
import { lastSeconds, present, shownSeconds } from '#shared/traffic.ts'
import { cut, oneLine, pad, seconds, widest, type Paint } from './cells.ts'
import type { LiveState } from './fold.ts'
import { sparkline } from './sparkline.ts'

/** A generator that sends samples five times a second and says nothing for this long is in trouble, and its figures are old. */
const oldAfterMs = 2_000
const numberWidth = '1,234 requests/s'.length

/** The load as it is now, beside its last seconds; at the end all of it. Two lines, or one where there is no room. */
export function loadLines(state: LiveState, nowMs: number, columns: number, lines: 1 | 2, paint: Paint): string[] {
  const { load, traffic, gates: { experiment }, judgement } = state
  if (experiment && !experiment.load) return [paint('dim', 'none of its own: the gates judge the traffic that is there')]
  const now = present(traffic)
  if (!now) return [cut(paint('dim', load ? `${load.state}, ${load.users} of ${load.targetUsers} users${load.detail === undefined ? '' : `: ${oneLine(load.detail)}`}` : 'not asked for yet'), columns)]
  const totals = judgement?.load
  const [rate, p95] = totals
    ? [`${totals.requests.toLocaleString('en-US')} requests`, printP95(totals.p95Ms)]
    : [`${Math.round(now.requestsPerSecond).toLocaleString('en-US')} requests/s`, printP95(now.p95Ms)]
  const failed = totals ? printShare(totals.failures, totals.requests) : printShare(now.failuresPerSecond, now.requestsPerSecond)
  const users = totals ? `${totals.users} users at most` : printUsers(state, now.users)
  const ageMs = nowMs - traffic.lastEndMs
  const waiting = totals ? `${totals.requestsPerSecond ?? 0} requests/s` : `${now.waiting} waiting`
  const old = !judgement && state.sealedAtMs === undefined && load?.state !== 'stopped' && load?.state !== 'stopping' && ageMs > oldAfterMs
    ? paint('yellow', `no sample for ${seconds(Math.floor(ageMs / 1_000))}`) : undefined
  if (lines === 1) return [cut([old, rate, p95, failed, waiting, users].filter(cell => cell !== undefined).join(', '), columns)]
  const all = lastSeconds(traffic, shownSeconds)
  const first = all.findIndex(point => point !== undefined)
  const beside = [`${users}, ${failed}`, old ?? waiting] as const
  const room = Math.min(shownSeconds, columns - numberWidth - 4 - widest(beside))
  const points = first === -1 ? [] : all.slice(first).slice(-Math.max(1, room)) // grows from the left, then moves on
  const plot = totals ? Math.min(room, points.length) : room
  const line = (number: string, of: (point: LoadPoint) => number | null, reach: number, style: 'cyan' | 'magenta', words: string) => {
    const bars = room < 8 ? '' : `${paint(style, pad(sparkline(points.map(point => point ? of(point) : null), reach).join(''), plot))}  `
    return cut(`${pad(number, numberWidth)}  ${bars}${words}`, columns).trimEnd()
  }
  return [
    line(rate, ({ requestsPerSecond }) => requestsPerSecond, 0, 'cyan', beside[0]),
    line(p95, ({ p95Ms }) => p95Ms, slowMs(state), 'magenta', beside[1]),
  ]
}

/** What a latency gate calls slow: response times far below it are drawn low. */
const slowMs = ({ gates: { experiment } }: LiveState) => Math.max(0, ...experiment?.gates.flatMap(({ kind, rule }) => kind === 'latency' ? rule.overdueAfterMs ?? [] : []) ?? [])

const printP95 = (ms: number | null) => `p95 ${ms === null ? '–' : `${ms.toLocaleString('en-US')} ms`}`
const printShare = (failed: number, all: number) => all > 0 ? `${percent(failed / all)} failed` : 'none ended'

function printUsers({ load }: LiveState, users: number): string {
  return load?.state === 'ramping' || load?.state === 'starting' ? `${users} of ${load.targetUsers} users` : `${users} users`
}
