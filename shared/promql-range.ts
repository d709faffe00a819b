import { parser } from '@prometheus-io/lezer-promql'
import { neededLabels, thereMatchers } from '#shared/promql-labels.ts'
import { promqlProblem } from '#shared/promql.ts'
import type { OverRange } from '#shared/service-level.ts'

/**
 * How a selector without a range is read over one: a counter by its increase, what goes up and down by the sum or the mean of its samples;
 * `kept`: as it is at the end of the range; `refused`: nobody has said which.
 */
export type BareSelectors = 'increase' | 'sum_over_time' | 'avg_over_time' | 'kept' | 'refused'

export interface OpenQuery {
  over: OverRange
  /** The functions that ranges are read by, such as `rate`, in order: what is read by another cannot be divided by it. */
  readBy: string
  /** The same whatever values the labels have that are asked for, as long as they are there; undefined where that could make two series match one. */
  anyValues?: OverRange
}

/** What tools for SLOs write for the range that they fill in: `{{.window}}` (Sloth), `$window`, and Grafana's variables. */
const placeholder = /\[\s*(?:\{\{\s*\.?window\s*\}\}|\$\{?(?:window|__range|__interval|__rate_interval)\}?)\s*\]/g
const anyRange = '[1s]'

/** Why an expression's range cannot be replaced, worded to follow "expected". Node names of lezer-promql's grammar. */
const refusals: Readonly<Record<string, string>> = {
  OffsetExpr: 'PromQL without offset: what was before the run says nothing about it',
  StepInvariantExpr: 'PromQL without @: what was at another time says nothing about the run',
  SubqueryExpr: 'PromQL without a subquery, whose range is not the gate\'s to choose',
  AnchoredExpr: 'PromQL without anchored',
  SmoothedExpr: 'PromQL without smoothed',
  Irate: 'rate or increase; irate looks at two samples, whatever its range',
  Idelta: 'delta; idelta looks at two samples, whatever its range',
}

/** Between `from` and `to` of a text this is put instead. */
interface Edit { from: number; to: number; put: OverRange }

/**
 * An expression as an SLO's file has it, with every range in it replaced by the one that is asked for: the five minutes in `rate(x[5m])` are those
 * of a dashboard, and would reach back to before the fault. Pure. A recording rule's own range is out of sight, and stays.
 */
export function openRanges(query: string, bare: BareSelectors): OpenQuery | { problem: string } {
  const text = query.replaceAll(placeholder, anyRange)
  const unparsable = promqlProblem(text)
  if (unparsable !== undefined) return { problem: unparsable }
  const edits: Edit[] = []
  const labels: Edit[] = []
  let problem: string | undefined
  let combines = false
  const readers = new Set<string>()
  parser.parse(text).iterate({
    enter: ({ name, from, to, node }) => {
      problem ??= refusals[name]
      if (name === 'BinaryExpr') combines = true
      if (name === 'LineComment') edits.push({ from, to, put: () => '' }) // it would comment out what is put behind the expression
      if (name === 'LabelMatchers' && node.prevSibling) labels.push({ from, to, put: () => withAnyValues(text.slice(from, to)) }) // without a name before them, they are the name
      if (name === 'MatrixSelector') {
        edits.push({ from: node.firstChild?.to ?? from, to, put: range })
        const call = node.parent?.parent?.firstChild // the function's name, before its arguments
        if (call) readers.add(text.slice(call.from, call.to).toLowerCase())
      }
      if (name !== 'VectorSelector' || bare === 'kept' || node.parent?.name === 'MatrixSelector') return
      if (bare === 'refused') problem ??= `counter: true or false beside it; ${text.slice(from, to)} has no range that would tell`
      readers.add(bare)
      edits.push({ from, to: from, put: () => `${bare}(` }, { from: to, to, put: windowMs => `${range(windowMs)})` })
    },
  })
  if (problem !== undefined) return { problem }
  return { over: rewritten(text, edits), readBy: [...readers].sort().join(' and '), ...(!combines && { anyValues: rewritten(text, [...edits, ...labels]) }) }
}

function withAnyValues(matchers: string): string {
  const there = thereMatchers(neededLabels(matchers))
  return there.length === 0 ? '' : `{${there.join(',')}}`
}

const range: OverRange = windowMs => `[${windowMs}ms]`

function rewritten(text: string, edits: readonly Edit[]): OverRange {
  const inOrder = edits.toSorted((a, b) => a.from - b.from)
  return windowMs => {
    let [done, out] = [0, '']
    for (const { from, to, put } of inOrder) {
      if (from < done) continue // a comment among labels that are gone already
      out += text.slice(done, from) + put(windowMs)
      done = to
    }
    return (out + text.slice(done)).trim()
  }
}
