import type { StoredFact } from '#shared/events.ts'
import type { Judgement } from '#shared/verdict.ts'
import type { HpaPoint, Span, Transition } from './hpa-transitions.ts'
import type { LoadFigures } from '#shared/load-figures.ts'

/** What the steps of a campaign have found: later ones judge and report it. Each adds to its own part. */
export interface Findings {
  cluster: ClusterFinding | null
  /** In the order in which they ended. */
  runs: RecordedRun[]
  hpa: RecordedHpa[]
  /** What was not in the cluster before, and is to go again. */
  broughtIn: BroughtIn[]
}

export type BroughtIn = { is: 'faultline' } | { is: 'part'; part: 'shop' | 'locust' }

export interface ClusterFinding {
  context: string
  version: string
  nodes: { name: string; cpu: string; memory: string; kernel: string; runtime: string; ready: boolean }[]
}

/** One experiment that a step has run to its verdict. */
export interface RecordedRun {
  step: string
  purpose: 'load' | 'experiment'
  /** From 1. */
  repetition: number
  run: string
  /** Relative to the campaign's results. */
  folder: string
  judgement: Judgement
  facts: StoredFact[]
}

/** An autoscaler's way through its transitions. */
export interface RecordedHpa {
  step: string
  namespace: string
  name: string
  /** The Deployment that it scales. */
  deployment: string
  path: number[]
  points: HpaPoint[]
  transitions: Transition[]
  figures: (Span & LoadFigures)[]
}

export const noFindings = (): Findings => ({ cluster: null, runs: [], hpa: [], broughtIn: [] })
