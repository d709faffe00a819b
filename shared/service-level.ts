/** PromQL over a range in milliseconds, which is left open until it is asked for. */
export type OverRange = (windowMs: number) => string

/** An SLO as gates need it: its PromQL over a range still to be chosen, and what it may spend. */
export interface ServiceLevel {
  name: string
  service: string | null
  budgeting: 'Occurrences' | 'Timeslices' | 'RatioTimeslices'
  indicator: Indicator
  objectives: Objective[]
}

/** `badOver`: the share of bad events, from 0 to 1. `over`: a value that is held against each objective's threshold. */
export type Indicator = { is: 'share'; badOver: OverRange } | { is: 'value'; over: OverRange }

export interface Objective {
  displayName: string | null
  /** The share that may be bad: 1 - target. Above 0. */
  budget: number
  /** Of a thresholdMetric. */
  threshold?: { op: 'lte' | 'gte' | 'lt' | 'gt'; value: number }
  /** Where the budget is counted in slices of time. `badShare`: with more bad events than this, a slice is bad; RatioTimeslices have none. */
  slice?: { lengthMs: number; badShare?: number }
}
