import type { Judgement, Verdict } from '#shared/verdict.ts'
import { inColumns } from './columns.ts'

export interface DemoRun {
  expected: Verdict
  judgement: Judgement
  /** Its results folder. */
  folder: string
}

/** What the demo has shown, as a table for people. Pure. */
export function demoSummary(runs: readonly DemoRun[]): string {
  const rows = [
    ['experiment', 'verdict', 'abort', 'revert', 'revert*', 'recovered'],
    ...runs.map(({ expected, judgement: { experiment, verdict, timings, recovery } }) => [
      experiment, `${verdict}${verdict === expected ? ', as expected' : `, NOT ${expected}`}`,
      ms(timings.breachToAbortMs), ms(timings.breachToRevertedMs), ms(timings.firstBadToRevertedMs), ms(recovery?.recoveredInMs ?? null),
    ]),
  ]
  const table = [
    ...inColumns(rows),
    'abort, revert: after the breach; revert*: after the first bad request; recovered: after the revert',
  ]
  const reasons = runs.flatMap(({ expected, judgement }) => judgement.verdict === expected ? [] : ['', `${judgement.experiment} is ${judgement.verdict}:`, ...judgement.reasons.map(reason => `  ${reason}`)])
  return `${[...table, ...reasons, '', ...runs.map(({ folder }) => `report: ${folder}/report.html`)].join('\n')}\n`
}

const ms = (value: number | null): string => value === null ? '-' : `${Math.round(value)} ms`
