import { parser } from '@prometheus-io/lezer-promql'

const maxLength = 10_000

/**
 * Why a text is not PromQL, worded to follow "expected", or undefined when it parses. Prometheus' own grammar; types, such as a rate
 * without a range, are left to the server. Positions count characters from 1.
 */
export function promqlProblem(text: string): string | undefined {
  if (text.trim() === '') return 'PromQL; this is empty'
  if (text.length > maxLength) return `PromQL of at most ${maxLength} characters`
  let errorAt: number | undefined
  parser.parse(text).iterate({
    enter: node => {
      if (node.type.isError) errorAt ??= node.from
    },
  })
  if (errorAt === undefined) return undefined
  const near = text.slice(errorAt, errorAt + 20)
  return `PromQL; this does not parse at character ${errorAt + 1}${near ? `, near ${JSON.stringify(near)}` : ', its end'}`
}
