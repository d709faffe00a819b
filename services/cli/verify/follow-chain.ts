import { firstLink, nextLink } from '#shared/decision-record.ts'
import { greatestOf } from '#shared/extremes.ts'
import type { LoggedFact } from '../report/event-log.ts'

/**
 * Holds a log against its chain, and says what is wrong with which fact. Pure.
 *
 * The chain is walked from its signed end to its begin: whatever leads there by its hash is as it was signed, and what is left over was not there.
 * Where nothing leads on, the links that stand in the log, which nobody has signed, say where to go on: they tell a fact that was changed from
 * one that is missing.
 */
export interface FollowedChain {
  /** Whole sentences; empty when every fact is as it was, once, and where it was. */
  problems: string[]
  /** Where the chain must end: as it was signed; when nothing was, as the log says itself. */
  end: string
  /** How many facts lead there. */
  facts: number
  /** After the seal: linked, and signed by nobody. */
  later: number
}

interface Line extends LoggedFact {
  /** What its own link is by its text and by the link that it says is before it. */
  own: string | undefined
}

/** A log with more problems than these is another log. */
const mostProblems = 100

/** `signed`: the end of the chain as it was signed; undefined when nothing was. */
export function followChain(run: string, logged: readonly LoggedFact[], signed: string | undefined): FollowedChain {
  const lines = logged.map((fact): Line => ({ ...fact, own: fact.after === undefined ? undefined : nextLink(fact.after, fact.stored) }))
  const inOrder = lines.toSorted((a, b) => a.stored.stream - b.stored.stream || a.line - b.line)
  const seal = inOrder.find(({ stored }) => stored.kind === 'run.sealed')
  if (lines.every(({ link }) => link === undefined)) return withoutLinks(run, inOrder, seal, signed)

  const end = signed ?? (seal ?? inOrder.at(-1))?.link ?? firstLink(run)
  const { trace, left, problems } = walkBack(run, inOrder, end, seal)
  const lastPlace = (seal ?? trace.at(-1))?.stored.stream ?? 0
  const within = left.filter(({ stored }) => stored.stream <= lastPlace)
  const later = left.filter(({ stored }) => stored.stream > lastPlace)
  const known = new Set(trace.map(({ own }) => own))
  const all = [
    ...problems,
    ...within.map(line => known.has(line.own) ? `${nameOf(line)} stands there twice` : `${nameOf(line)} was added: no link of the chain leads to it`),
    ...laterProblems(later, end),
    ...outOfPlace([...trace, ...later]),
  ]
  return { problems: all.slice(0, mostProblems), end, facts: trace.length, later: later.length }
}

/** From the end to the begin. `trace`: the facts of the chain in their order; `left`: those that it does not lead to. */
function walkBack(run: string, inOrder: readonly Line[], end: string, seal: Line | undefined): { trace: Line[]; left: Line[]; problems: string[] } {
  const begin = firstLink(run)
  const left = new Set(inOrder)
  const [byOwn, byLink] = [Map.groupBy(inOrder, ({ own }) => own), Map.groupBy(inOrder, ({ link }) => link)]
  const found: Line[] = []
  const problems: string[] = []
  let target = end
  let isSure = true // of what stands before a changed fact there is its word only
  while (target !== begin && problems.length < mostProblems) {
    const line = byOwn.get(target)?.find(other => left.has(other)) ?? byLink.get(target)?.find(other => left.has(other))
    if (line) {
      if (line.own !== target) problems.push(`${nameOf(line)} was changed: its link is of another text`)
      else if (line.link !== target) problems.push(`${nameOf(line)} is as it was, but its link was changed`)
      isSure = line.own === target
      found.push(line)
      left.delete(line)
      target = line.after ?? begin
      continue
    }
    const following = inOrder.find(({ after }) => after === target)
    if (!following && found.length === 0 && seal?.own !== undefined && left.has(seal)) {
      problems.push(`the chain of this log ends in ${seal.own}, and ${end} was signed: facts were changed, added or taken out, and their links made anew, so that nobody can tell which`)
      target = seal.own
      continue
    }
    const limit = following?.stored.stream ?? found.at(-1)?.stored.stream ?? Infinity
    const next = [...left].findLast(({ stored, link }) => stored.stream < limit && link !== undefined)
    if (isSure) problems.push(missing(next, following ?? found.at(-1), inOrder))
    if (next?.link === undefined) break
    target = next.link
  }
  return { trace: found.toReversed(), left: [...left], problems: problems.toReversed() }
}

function missing(before: Line | undefined, after: Line | undefined, all: readonly Line[]): string {
  const numbers = missingNumbers(all)
  const where = before && after ? `between ${nameOf(before)} and ${nameOf(after)}` : after ? `before ${nameOf(after)}` : before ? `after ${nameOf(before)}` : 'of the whole log'
  return `a fact or several are missing ${where}${numbers.length === 0 ? '' : `; by their sources' numbers: ${numbers.slice(0, 5).join(', ')}${numbers.length > 5 ? ` and ${numbers.length - 5} more` : ''}`}`
}

/** Each source numbers its facts of a run from 1. */
function missingNumbers(lines: readonly Line[]): string[] {
  const seen = new Map<string, Set<number>>()
  for (const { stored: { fact: { source, sequence } } } of lines) seen.set(source, (seen.get(source) ?? new Set()).add(sequence))
  return [...seen].flatMap(([source, numbers]) => {
    const greatest = Math.min(greatestOf(numbers), numbers.size + 1_000) // a forged number may be of any size
    return Array.from({ length: greatest }, (_, index) => index + 1).filter(number => !numbers.has(number)).map(number => `${number} of ${source}`)
  })
}

/** What follows the seal is linked too, but signed by nobody: only a clumsy change of it shows. */
function laterProblems(later: readonly Line[], end: string): string[] {
  return later.flatMap((line, index) => {
    const before = later[index - 1]
    if (before && line.own === before.own) return [`${nameOf(line)} stands there twice`]
    if (line.own !== line.link) return [`${nameOf(line)}, after the seal, was changed: its link is of another text`]
    return line.after === (before ? before.link : end) ? [] : [`a fact was taken out or added right before ${nameOf(line)}, after the seal`]
  })
}

/** Facts that stand further down in the log than one which came after them. */
function outOfPlace(inOrder: readonly Line[]): string[] {
  let lowest = 0
  return inOrder.flatMap((line, index) => {
    const before = inOrder[index - 1]
    const isLate = line.line < lowest
    lowest = Math.max(lowest, line.line)
    return isLate && before ? [`${nameOf(line)} was moved: it came after ${nameOf(before)}`] : []
  })
}

/** A log from before there were links, or without them: that something is wrong shows, but not what. */
function withoutLinks(run: string, inOrder: readonly Line[], seal: Line | undefined, signed: string | undefined): FollowedChain {
  const linked = seal ? inOrder.slice(0, inOrder.indexOf(seal) + 1) : inOrder
  const end = linked.reduce((link, { stored }) => nextLink(link, stored), firstLink(run))
  const numbers = missingNumbers(linked)
  const problems = signed === undefined || end === signed ? [] : [
    `the chain of these facts ends in ${end}, and ${signed} was signed: facts were changed, added or taken out; its lines bear no links, so that nobody can tell which${numbers.length === 0 ? '' : `; by their sources' numbers there lack ${numbers.slice(0, 5).join(', ')}`}`,
  ]
  return { problems: [...problems, ...outOfPlace(inOrder)], end, facts: linked.length, later: inOrder.length - linked.length }
}

const nameOf = ({ line, stored: { kind, stream, fact: { source, sequence } } }: LoggedFact): string => `fact ${stream} (${kind}, ${sequence} of ${source}; line ${line})`
