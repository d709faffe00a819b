import type { DatedValue } from '#shared/counter-series.ts'
import { experimentSchema, type GateSpec } from '#shared/experiment.ts'
import { readControlled } from '#shared/gate-control.ts'
import { readCounters } from '#shared/gate-counters.ts'
import { beginTally, isBroken, missingForPass } from '#shared/gate-sequential.ts'
import { binomial, poisson } from './gate-simulation.ts'

/**
 * Counters of two arms that stand in the same noise, scraped at different times, held against the product's own gate with a control, and against the same gate
 * without one. Pure but for the source of chance that is handed in.
 */
export interface Arms {
  requestsPerSecond: { own: number; control: number }
  noise: Noise
  /** So much of the own arm's requests is bad beyond the noise, from `fromS` on. */
  excess: number
  fromS?: number
}

/** `share`: of either arm's requests that is bad while there is noise; it lasts `burstS` and stays away `gapS` on average, and without a gap never ends. */
export interface Noise { share: number; burstS: number; gapS: number }

export const excessLimit = 0.01
const blockMs = 20_000
const [scrapeS, cellS] = [5, 0.25]
const cellsPerScrape = scrapeS / cellS

export interface Gates { phaseMs: number; controlled: GateSpec; alone: GateSpec }

export function gatesFor(phaseS: number): Gates {
  const own = { limit: 'rate', block: `${blockMs}ms`, errorRate: { max: excessLimit, total: 'all{zone="a"}', bad: 'bad{zone="a"}' } }
  const parsed = (gate: object) => experimentSchema.parse({ apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' }, faults: [], hold: `${phaseS}s`, gates: [{ name: 'errors', ...gate }] }).gates[0]
  const [controlled, alone] = [parsed({ ...own, control: { total: 'all{zone="b"}', bad: 'bad{zone="b"}' } }), parsed(own)]
  if (!controlled || !alone) throw new Error('expected the gates that were written')
  return { phaseMs: phaseS * 1_000, controlled, alone }
}

export interface Decided { isAborted: boolean; isPassed: boolean }

/** What the gate with a control decides of one run, and what the same gate decides without. */
export function decideRun(arms: Arms, { phaseMs, controlled, alone }: Gates, random: () => number): { controlled: Decided; alone: Decided } {
  const [own, control] = scrapesOf(arms, phaseMs, random)
  const counted = (scrapes: readonly Scrape[], untilMs: number) => ({ scrapeIntervalMs: scrapeS * 1_000, series: seriesOf(scrapes, untilMs) })
  return {
    controlled: decide(controlled, phaseMs, untilMs => ({ ...counted(own, untilMs), control: counted(control, untilMs) })),
    alone: decide(alone, phaseMs, untilMs => counted(own, untilMs)),
  }
}

function decide(gate: GateSpec, phaseMs: number, answerAt: (untilMs: number) => Counted & { control?: Counted }): Decided {
  const spec = gate.sequential
  if (spec?.counted.is !== 'counters') throw new Error('expected a gate on counters')
  const counted = spec.counted
  const { control } = counted
  let tally = beginTally(spec)
  for (let endMs = blockMs; endMs <= phaseMs; endMs += blockMs) {
    const answer = { is: 'counters' as const, ...answerAt(endMs) }
    tally = (control ? readControlled(gate, spec, { ...counted, control }, tally, answer, 0, endMs) : readCounters(gate, spec, counted, tally, answer, 0, endMs)).tally
    if (isBroken(spec, tally)) return { isAborted: true, isPassed: false }
  }
  return { isAborted: false, isPassed: missingForPass(spec, tally) === undefined }
}

interface Scrape { atMs: number; total: number; bad: number }
interface Counted { scrapeIntervalMs: number; series: { part: 'total' | 'bad'; series: string; target: string; samples: DatedValue[] }[] }

/** As an answer has them: those of the last two blocks. */
function seriesOf(scrapes: readonly Scrape[], untilMs: number): Counted['series'] {
  const found = scrapes.filter(({ atMs }) => atMs <= untilMs && atMs > untilMs - 2 * blockMs)
  return (['total', 'bad'] as const).map(part => ({ part, series: '{}', target: '{}', samples: found.map((scrape): DatedValue => [scrape.atMs, scrape[part]]) }))
}

/** Of the own arm, and of the control: what its counters have come to at each scrape, the first of which is from before the phase. */
function scrapesOf({ requestsPerSecond, noise, excess, fromS = 0 }: Arms, phaseMs: number, random: () => number): [own: Scrape[], control: Scrape[]] {
  const noiseAt = noisePath(noise, random)
  const armOf = (perSecond: number, more: number) => ({ requests: poisson(perSecond * cellS, random), more, offset: Math.floor(random() * cellsPerScrape), total: 0, bad: 0, scrapes: new Array<Scrape>() })
  const [own, control] = [armOf(requestsPerSecond.own, excess), armOf(requestsPerSecond.control, 0)]
  for (let cell = -cellsPerScrape; cell * cellS * 1_000 <= phaseMs; cell += 1) {
    const share = noiseAt()
    for (const arm of [own, control]) {
      if ((cell + cellsPerScrape) % cellsPerScrape === arm.offset) arm.scrapes.push({ atMs: cell * cellS * 1_000, total: arm.total, bad: arm.bad })
      const requests = arm.requests()
      arm.total += requests
      arm.bad += binomial(requests, Math.min(1, share + (cell * cellS >= fromS ? arm.more : 0)), random)
    }
  }
  return [own.scrapes, control.scrapes]
}

/** The share of one cell after another, from a moment at which nobody looked. */
function noisePath({ share, burstS, gapS }: Noise, random: () => number): () => number {
  if (gapS === 0) return () => share
  let isThere = random() < burstS / (burstS + gapS)
  const stayS = () => -Math.log(1 - random()) * (isThere ? burstS : gapS)
  let leftS = stayS()
  return () => {
    leftS -= cellS
    if (leftS <= 0) {
      isThere = !isThere
      leftS = stayS()
    }
    return isThere ? share : 0
  }
}
