import { parser } from '@prometheus-io/lezer-promql'

/**
 * The labels that a series must have if the matchers of a selector are to name it: of `{code=~"5..",zone!="b"}` it is `code`. A selector whose labels no series
 * has names nothing, ever, and so finds nothing bad, ever.
 *
 * A label that is only asked to be there, as in `{error_type!=""}`, is none of them: some services put it on what is bad alone. Pure; a text that does not parse has none.
 */
export function neededLabels(selector: string): string[] {
  const needed = new Set<string>()
  parser.parse(selector).iterate({
    enter: ({ name, node }) => {
      if (name !== 'UnquotedLabelMatcher' && name !== 'QuotedLabelMatcher') return
      const [label = '', operator = '', value = ''] = [node.firstChild, node.getChild('MatchOp'), node.lastChild].map(part => part ? selector.slice(part.from, part.to) : '')
      const plain = name === 'QuotedLabelMatcher' ? unquoted(label) : label
      if (plain !== '__name__' && demands(operator, unquoted(value))) needed.add(plain)
    },
  })
  return [...needed]
}

/** Matchers by which each of these labels is there, whatever its value: `code!=""`, `zone!=""`. */
export const thereMatchers = (labels: readonly string[]): string[] => labels.map(label => `${/^[a-zA-Z_]\w*$/.test(label) ? label : JSON.stringify(label)}!=""`)

function demands(operator: string, value: string): boolean {
  return operator === '=' ? value !== '' : operator === '=~' && value !== '.+' && !matchesEmpty(value)
}

/** To PromQL a label that is not there is empty. What RE2 takes and JavaScript does not is not decided here. */
function matchesEmpty(expression: string): boolean {
  try {
    return new RegExp(`^(?:${expression})$`, 's').test('')
  } catch {
    return true
  }
}

const unquoted = (literal: string): string => literal.startsWith('`') ? literal.slice(1, -1) : literal.slice(1, -1).replaceAll(/\\([^])/g, '$1')
