import type { StoredFact } from '#shared/events.ts'
import { percent } from '#shared/gate-share.ts'
import type { Judgement } from '#shared/verdict.ts'
import { printMs } from './figures.ts'
import type { Panel } from './plot.ts'

/** The share of a probe's attempts that failed, over all probers, in each second. Dates are those of the seconds' starts. */
export interface ProbeSeries { probe: string; points: { atMs: number; failedShare: number; attempts: number }[] }

/** In the order in which the probes first tell. Pure. */
export function probeSeries(facts: readonly StoredFact[], stepMs: number): ProbeSeries[] {
  const byProbe = new Map<string, Map<number, { failed: number; attempts: number }>>()
  for (const stored of facts) {
    if (stored.kind !== 'probe.samples') continue
    const { probe, slots } = stored.fact.data
    const steps = byProbe.get(probe) ?? new Map<number, { failed: number; attempts: number }>()
    byProbe.set(probe, steps)
    for (const [atMs, , outcome] of slots) {
      const step = Math.floor(atMs / stepMs) * stepMs
      const { failed, attempts } = steps.get(step) ?? { failed: 0, attempts: 0 }
      steps.set(step, { failed: failed + (outcome === 'ok' ? 0 : 1), attempts: attempts + 1 })
    }
  }
  return [...byProbe].map(([probe, steps]) => ({
    probe, points: [...steps].sort(([a], [b]) => a - b).map(([atMs, { failed, attempts }]) => ({ atMs, failedShare: failed / attempts, attempts })),
  }))
}

/** More probes than this have no panel of their own. */
const maxPanels = 6

/** One panel a probe; where nobody looked for longer than a few steps, the curve has a hole. */
export function probePanels(series: readonly ProbeSeries[], stepMs: number): Panel[] {
  return series.slice(0, maxPanels).map(({ probe, points }) => ({
    title: `Probe ${probe}: share of its attempts that failed`,
    unit: percent,
    ceiling: 1,
    curves: [{
      label: 'failed', tone: 'failed', filled: true,
      points: points.flatMap(({ atMs, failedShare }, index) => {
        const before = points[index - 1]
        const hole = before && atMs - before.atMs > 3 * stepMs ? [{ atMs: before.atMs + stepMs, value: null }] : []
        return [...hole, { atMs: atMs + stepMs / 2, value: failedShare }]
      }),
    }],
    limits: [],
  }))
}

export const probeHead = ['probe', 'seen from', 'attempts', 'failed', 'recovery time', 'longest outage', 'RTO', 'RPO', 'acknowledged', 'lost', 'unconfirmed (lost)']

/** A row for each probe and prober, in words. */
export function probeRows({ probes }: Judgement): string[][] {
  const number = (count: number) => count.toLocaleString('en-US')
  return probes.map(({ name, kind, node, counts, attempts, failures, availability, recoveryTimeMs, steady, longestOutageMs, rtoMs, rpoMs, ledger }) => [
    `${name} (${kind})`,
    `${node}${counts ? '' : ', does not count: a fault was done to it'}`,
    number(attempts),
    `${number(failures)}${availability === null ? '' : ` (${percent(1 - availability)})`}`,
    `${printMs(recoveryTimeMs)}${steady ? '' : ', and not steady yet'}`,
    printMs(longestOutageMs), printMs(rtoMs), printMs(rpoMs),
    ledger ? number(ledger.acknowledged) : '–',
    ledger ? `${number(ledger.missing)}${ledger.unread > 0 ? `, ${number(ledger.unread)} not looked for` : ''}${ledger.missingIds.length > 0 ? `: ${ledger.missingIds.slice(0, 3).join(', ')}${ledger.missing > 3 ? ' …' : ''}` : ''}` : '–',
    ledger ? `${number(ledger.unconfirmed)} (${number(ledger.unconfirmedMissing)})` : '–',
  ])
}
