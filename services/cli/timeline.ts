import type { FactData, StoredFact } from '#shared/events.ts'
import type { Experiment } from '#shared/experiment.ts'
import { cut, oneLine } from './live/cells.ts'
import { limitWords, valueAgainstLimit } from './live/gate-values.ts'

/** An event in a few words for people. `tone`: how it is to look where there are colours. */
export interface Told {
  /** Since the run's first fact. */
  sinceMs: number
  text: string
  tone: 'plain' | 'good' | 'bad'
}

/** What a fact alone does not say. `startedMs`: date of the run's first fact. */
export interface Context {
  startedMs: number
  experiment: Experiment | undefined
}

/** Command lines are long; the report has all of them. */
const longestTarget = 60

/** Undefined for the many facts that only feed the gates, and for a gate that has nothing to say yet. Pure. */
export function tellFact(stored: StoredFact, { startedMs, experiment }: Context): Told | undefined {
  const sinceMs = Math.max(0, Date.parse(stored.fact.time) - startedMs)
  const told = (text: string, tone: Told['tone'] = 'plain'): Told => ({ sinceMs, text: oneLine(text), tone })
  switch (stored.kind) {
    case 'run.submitted': return told(`submitted as ${stored.fact.subject}`)
    case 'run.phase': return told(`phase ${stored.fact.data.phase}`)
    case 'run.aborting': {
      const { cause, gate, detail } = stored.fact.data
      return told(cause === 'gate' && gate !== undefined ? `aborting: ${gate} is breached` : `aborting (${cause}): ${detail}`, 'bad') // the gate has just said how
    }
    case 'run.sealed': return told('sealed')
    case 'run.judged': return told(`verdict ${stored.fact.data.verdict}: ${stored.fact.data.reasons.join('; ')}`, stored.fact.data.verdict === 'passed' ? 'good' : 'bad')
    case 'fault.injected': {
      const { fault, targets, verified } = stored.fact.data
      return told(`injected ${fault}: ${printTargets(targets.map(({ description }) => description))}${verified ? '' : ', NOT CONFIRMED'}`, verified ? 'plain' : 'bad')
    }
    case 'fault.reverted': {
      const { fault, cause, verified } = stored.fact.data
      return told(`reverted ${fault} (${cause})${verified ? ', confirmed' : ', NOT CONFIRMED: its targets are quarantined'}`, verified ? 'good' : 'bad')
    }
    case 'fault.refused': return told(`refused ${stored.fact.data.fault}: ${stored.fact.data.why}`, 'bad')
    case 'fault.lapsed': return told(`the lease of ${stored.fact.data.fault} ran out`, 'bad')
    case 'load.state': return told(printLoad(stored.fact.data), stored.fact.data.state === 'failed' ? 'bad' : 'plain')
    case 'gate.status': return tellGate(stored.fact.data, experiment, told)
    case 'probe.refused': return told(`refused probe ${stored.fact.data.probe}: ${stored.fact.data.why}`, 'bad')
    case 'probe.state': {
      const { probe, node, state, why } = stored.fact.data
      return told(`probe ${probe} is ${state} on ${node}${why === undefined ? '' : `: ${why}`}`, state === 'up' ? 'good' : 'bad')
    }
    case 'probe.ledger': {
      const { probe, node, acknowledged, missing } = stored.fact.data
      return told(`ledger of ${probe} on ${node}: ${missing} of ${acknowledged} acknowledged writes are missing`, missing === 0 ? 'good' : 'bad')
    }
    case 'policy.set': case 'policy.removed': case 'policy.ticked': case 'policy.missed': case 'policy.settled': case 'policy.paused': case 'policy.resumed': return undefined // of no run
    case 'fault.ordered': case 'probe.opened': case 'probe.closed': case 'probe.samples':
    case 'run.services': case 'halt.set': case 'halt.released': case 'audit.request': case 'audit.halt': case 'load.sample': case 'load.stats': case 'gate.closed': case 'slo.answer': case 'slo.tick': case 'slo.history': return undefined
  }
}

/** One line of the plain view. Pure. */
export const printTold = ({ sinceMs, text }: Told): string => `${(sinceMs / 1_000).toFixed(1).padStart(6)} s  ${text}`

/** The evidence has every number, and is for the statuses that end something; the others say the last look. */
function tellGate({ gate, phase, status, measurement, evidence }: FactData<'gate.status'>, experiment: Experiment | undefined, told: (text: string, tone: Told['tone']) => Told): Told | undefined {
  const spec = experiment?.gates.find(({ name }) => name === gate)
  const at = (words: string, tone: Told['tone']) => told(`${gate} (${phase}) ${words}`, tone)
  switch (status) {
    case 'pending': return undefined
    case 'breached': case 'unreadable': case 'missed': return at(`${status}: ${evidence}`, 'bad')
    case 'no-data': return at(`no data: ${measurement?.is === 'no-data' ? measurement.why : evidence}`, 'plain')
    case 'holding': case 'breaking': case 'met': {
      if (spec?.sequential && status !== 'met') return at(`${status}: ${evidence}`, status === 'breaking' ? 'bad' : 'good')
      const value = spec && measurement?.is === 'measured' ? `: ${valueAgainstLimit(spec.rule, measurement.value)}` : spec ? `: ${limitWords(spec.rule)}` : ''
      return at(`${status}${value}`, status === 'breaking' ? 'bad' : 'good')
    }
  }
}

function printLoad({ state, users, targetUsers, detail }: FactData<'load.state'>): string {
  const why = detail === undefined ? '' : `: ${detail}`
  return state === 'ramping' || state === 'reached' ? `load ${state}, ${users} of ${targetUsers} users${why}` : `load ${state}${why}`
}

export function printTargets([first = 'no target', ...rest]: readonly string[]): string {
  return `${cut(oneLine(first), longestTarget)}${rest.length > 0 ? ` and ${rest.length} more` : ''}`
}
