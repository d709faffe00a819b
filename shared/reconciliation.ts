import { countGrowth, type Growth } from '#shared/counter-growth.ts'
import type { CounterRule, LoadSample, RequestRule } from '#shared/gate.ts'
import { overdueIn, sumWhere } from '#shared/load-metrics.ts'

/**
 * One SLI seen from two sides: what the load had from its requests (the client), and what counters of the service say of them (the server). Over the time in which
 * the counters were scraped, both must tell of the same requests. What was seen of one:
 *
 *   an answer                                  the server must have counted it, and as bad if it was bad to the client
 *   none, or it still waits                    the client alone saw it: the server may have counted it or not, as either
 *   an answer near a first or last scrape,     it may be on either side of that: the server may have counted it or not
 *   or while a counter lost what it had
 *
 * So what the server has counted must lie between a least and a most, give or take the tolerance. Pure.
 */
export interface Sides {
  client: { rule: RequestRule; samples: readonly LoadSample[] }
  server: { name: string; counters: CounterRule; grown: readonly Growth[]; intervalMs: number }
  phase: Stretch
  /** Share of the requests. */
  tolerance: number
}

export interface Stretch { fromMs: number; untilMs: number }

/** Plain JSON. `unseen`: one side has no counts, or too few to be held against the other's. */
export interface Reconciliation {
  is: 'agreed' | 'disagreed' | 'unseen'
  /** The gate on the server's side. */
  with: string
  /** Null: it has no counts at all. */
  client: ClientCounts | null
  server: ServerCounts | null
  /** Requests, and bad ones, by which they may differ. */
  tolerated: { requests: number; bad: number }
  /** Of each difference that is not tolerated, or why nothing could be compared, in words. */
  why: string[]
}

/** While the counters were scraped; of `unseen` in the whole phase. What the client alone saw: requests without an answer, answered well but too late for its gate, still waiting at the end. */
export interface ClientCounts { answered: Range; bad: Range; unanswered: number; late: number; waiting: number }

/** `badAtMost` is more than `bad` only where no bucket of a histogram ends at the limit. */
export interface ServerCounts { requests: number; bad: number; badAtMost: number }

export interface Range { least: number; most: number }

/**
 * How far a request's end may be dated otherwise on the two sides: the load's clock and Prometheus's, and the time between the service's counting and the client's
 * having its answer.
 */
const edgeMs = 250
/** The counters must have been scraped over this share of the answered requests. */
const leastShareSeen = 0.5
/** Of bad requests less may be unexplained than would make up the limit by themselves. */
const mostOfBudget = 0.5
/** A target whose last scrape is older than so many intervals is gone. */
const goneAfterIntervals = 1.5

export function reconcile({ client: { rule, samples }, server, phase, tolerance }: Sides): Reconciliation {
  const scraped = scrapedOver(server.grown, server.intervalMs, phase)
  const counted = scraped ? countedBy(server, phase) : null
  const inPhase = samples.filter(sample => isIn(phase, (sample.startMs + sample.endMs) / 2))
  const whole = clientCounts(rule, inPhase, inPhase)
  const unseen = (...why: string[]): Reconciliation => ({ is: 'unseen', with: server.name, client: inPhase.length === 0 ? null : whole, server: counted, tolerated: { requests: 0, bad: 0 }, why })
  if (!scraped || !counted || inPhase.length === 0) return unseen()
  if (whole.answered.most === 0) return unseen('no request was answered')
  const surely = samples.filter(sample => isInside(scraped.surely, sample) && !scraped.lost.some(stretch => touches(stretch, sample)))
  const client = clientCounts(rule, surely, samples.filter(sample => touches(scraped.possibly, sample)))
  if (client.answered.least < leastShareSeen * whole.answered.most) return unseen(`the counters were scraped over ${client.answered.least} of the answered requests alone`)
  const share = Math.min(tolerance, mostOfBudget * Math.min(rule.budget, server.counters.budget))
  const tolerated = { requests: Math.floor(exact(tolerance * client.answered.most)), bad: Math.floor(exact(share * client.answered.most)) }
  const why = differences(client, counted, tolerated)
  return { is: why.length === 0 ? 'agreed' : 'disagreed', with: server.name, client, server: counted, tolerated, why }
}

function differences({ answered, bad, unanswered, waiting }: ClientCounts, server: ServerCounts, tolerated: Reconciliation['tolerated']): string[] {
  const alone = unanswered + waiting
  const beyond = (count: number, most: number, says: string) => count > most ? [`${exact(count)} ${says}`] : []
  return [
    ...beyond(answered.least - server.requests, tolerated.requests, 'that were answered were not counted'),
    ...beyond(server.requests - answered.most - alone, tolerated.requests, 'more were counted than the load sent'),
    ...beyond(bad.least - server.badAtMost, tolerated.bad, 'that were bad to the client were not counted as bad'),
    ...beyond(server.bad - bad.most - alone, tolerated.bad, 'were counted as bad that were good to the client'),
  ]
}

/** By the end of each request, when both sides count it. */
function answeredIn({ failedIsBad, overdueAfterMs }: RequestRule, samples: readonly LoadSample[]): { requests: number; bad: number } {
  const isBad = (ms: number) => failedIsBad || ms > overdueAfterMs
  let requests = 0
  let bad = 0
  for (const { ok, failed, unanswered = {} } of samples) {
    requests += all(ok) + all(failed) - all(unanswered)
    bad += sumWhere(failed, isBad) - sumWhere(unanswered, isBad) + (failedIsBad ? 0 : sumWhere(ok, isBad))
  }
  return { requests, bad }
}

/** What the load had in the samples that the counters have surely seen, and in those that they may have seen. To a latency what is late is bad, and no figure of its own. */
function clientCounts(rule: RequestRule, surely: readonly LoadSample[], possibly: readonly LoadSample[]): ClientCounts {
  const { failedIsBad, overdueAfterMs } = rule
  const [least, most] = [answeredIn(rule, surely), answeredIn(rule, possibly)]
  const latest = new Map(possibly.toSorted((a, b) => a.endMs - b.endMs).map(sample => [sample.worker, sample]))
  const sum = (of: (sample: LoadSample) => number) => possibly.reduce((total, sample) => total + of(sample), 0)
  return {
    answered: { least: least.requests, most: most.requests }, bad: { least: least.bad, most: most.bad },
    unanswered: sum(({ unanswered = {} }) => all(unanswered)),
    late: failedIsBad ? sum(({ ok }) => sumWhere(ok, ms => ms > overdueAfterMs)) : 0,
    waiting: [...latest.values()].reduce((total, { inFlight }) => total + overdueIn(inFlight, overdueAfterMs), 0),
  }
}

const all = (counts: Readonly<Record<string, number>>) => sumWhere(counts, () => true)

function countedBy({ counters, grown }: Sides['server'], { fromMs, untilMs }: Stretch): ServerCounts {
  const { total, bad, badAtMost } = countGrowth(counters, grown.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs))
  return { requests: exact(total), bad: exact(bad), badAtMost: exact(badAtMost) }
}

/** `surely`: every target was counting; `possibly`: one was. `lost`: where a target's counter has lost what it had counted last. */
interface Scraped { surely: Stretch; possibly: Stretch; lost: Stretch[] }

function scrapedOver(grown: readonly Growth[], intervalMs: number, { fromMs, untilMs }: Stretch): Scraped | undefined {
  const totals = grown.filter(({ part, atMs }) => part === 'total' && atMs >= fromMs && atMs <= untilMs)
  const targets = [...Map.groupBy(totals, ({ target }) => target).values()].map(scrapes => ({
    // counted from its first scrape on; one that came later, from its beginning
    fromMs: scrapes.reduce((latest, { is, atMs }) => is === 'begun' ? Math.max(latest, atMs) : latest, fromMs),
    untilMs: scrapes.reduce((latest, { atMs }) => Math.max(latest, atMs), fromMs),
  }))
  if (targets.length === 0) return undefined
  const lastMs = Math.max(...targets.map(target => target.untilMs))
  const isGone = (target: Stretch) => target.untilMs < lastMs - goneAfterIntervals * intervalMs
  const restarts = [...Map.groupBy(totals, ({ series }) => series).values()].flatMap(samples => samples.flatMap(({ is, atMs }, index) => (
    is === 'reset' ? [{ fromMs: samples[index - 1]?.atMs ?? fromMs, untilMs: atMs }] : [])))
  return {
    surely: { fromMs: Math.max(...targets.map(target => target.fromMs)), untilMs: Math.min(...targets.filter(target => !isGone(target)).map(target => target.untilMs)) },
    possibly: { fromMs: Math.min(...targets.map(target => target.fromMs)), untilMs: lastMs },
    lost: [...restarts, ...targets.filter(isGone).map(target => ({ fromMs: target.untilMs, untilMs: target.untilMs + intervalMs }))],
  }
}

const isIn = ({ fromMs, untilMs }: Stretch, atMs: number) => atMs >= fromMs && atMs < untilMs
const isInside = ({ fromMs, untilMs }: Stretch, { startMs, endMs }: LoadSample) => startMs >= fromMs + edgeMs && endMs <= untilMs - edgeMs
const touches = ({ fromMs, untilMs }: Stretch, { startMs, endMs }: LoadSample) => endMs > fromMs - edgeMs && startMs < untilMs + edgeMs

/** Cleared of what binary fractions leave behind; counters may count in fractions. */
const exact = (count: number): number => Number(count.toPrecision(12))

/** Both sides' numbers and what follows from them, in one sentence. */
export function printReconciliation({ is, with: name, client, server, tolerated, why }: Reconciliation): string {
  const sides = `${client ? printClient(client) : 'the load has no samples'}; ${server ? `${name} counted ${server.requests}, ${printRange({ least: server.bad, most: server.badAtMost })} bad` : `${name} has no counts`}`
  const since = why.length === 0 ? '' : `, since ${why.join(', ')}`
  switch (is) {
    case 'agreed': return `${sides}: they agree`
    case 'disagreed': return `${sides}: they do not agree${since} (tolerated: ${tolerated.requests} requests, ${tolerated.bad} bad ones)`
    case 'unseen': return `${sides}: they cannot be compared${since}`
  }
}

function printClient({ answered, bad, late, unanswered, waiting }: ClientCounts): string {
  const badly = `${printRange(bad)} bad${late > 0 ? ` and ${late} too late` : ''}`
  const alone = `${unanswered} without an answer${waiting > 0 ? ` and ${waiting} still waiting` : ''}`
  return `the load had ${printRange(answered)} requests answered, ${badly}, and alone saw ${alone}`
}

const printRange = ({ least, most }: Range) => least === most ? String(least) : `${least} to ${most}`
