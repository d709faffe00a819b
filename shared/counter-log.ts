import { grow, nothingSeen, type Growth } from '#shared/counter-growth.ts'
import { scrapeIntervalMs, type CounterSeries } from '#shared/counter-series.ts'
import type { StoredFact } from '#shared/events.ts'
import type { SequentialSpec } from '#shared/gate-sequential.ts'

/** What the counters of one gate, or its control's, have grown by since its phase began: from all samples of the log, each by its own date, whichever answer brought it. Pure. */
export function growthInLog(gate: string, { blockMs }: Pick<SequentialSpec, 'blockMs'>, phaseStartMs: number, facts: readonly StoredFact[], of?: 'control'): { grown: Growth[]; intervalMs: number } {
  const answers = facts.flatMap(stored => stored.kind === 'slo.answer' && stored.fact.data.gate === gate && stored.fact.data.answer.is === 'counters' ? [stored.fact.data.answer] : [])
  const series = mergedSeries(answers.flatMap(answer => of === 'control' ? answer.control?.series ?? [] : answer.series))
  const intervalMs = scrapeIntervalMs(series) ?? blockMs
  return { grown: grow(nothingSeen, series, { fromMs: phaseStartMs, intervalMs }).grown, intervalMs }
}

/** Answers overlap: what a series has in several is one series. */
function mergedSeries(answers: readonly CounterSeries[]): CounterSeries[] {
  const merged = new Map<string, { series: CounterSeries; samples: Map<number, number> }>()
  for (const series of answers) {
    const key = `${series.part} ${series.series}`
    const { samples } = merged.get(key) ?? { samples: new Map<number, number>() }
    for (const [atMs, value] of series.samples) samples.set(atMs, value)
    merged.set(key, { series, samples })
  }
  return [...merged.values()].map(({ series, samples }) => ({ ...series, samples: [...samples].sort(([a], [b]) => a - b) }))
}
