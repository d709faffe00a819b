import { parser } from '@prometheus-io/lezer-promql'

/**
 * The instant selectors of an expression, as written. Prometheus answers those with a value up to five minutes old (its look-back), so
 * their age must be asked for; a selector with a range, and whatever stands in a subquery, says by its range how old its samples may be.
 * Selectors with `offset` or `@` are old on purpose and left out.
 */
export function instantSelectors(query: string): string[] {
  const found = new Set<string>()
  parser.parse(query).iterate({
    enter: ({ name, from, to }) => {
      if (name === 'VectorSelector') found.add(query.slice(from, to))
      return !agedByThemselves.has(name)
    },
  })
  return [...found]
}

const agedByThemselves = new Set(['MatrixSelector', 'SubqueryExpr', 'OffsetExpr', 'StepInvariantExpr'])
