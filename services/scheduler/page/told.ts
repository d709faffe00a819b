import type { StoredFact } from '#shared/events.ts'

/** A fact in a line for people. */
export interface Told { what: string; text: string; tone: 'plain' | 'good' | 'bad' }

/** Undefined for what has its place elsewhere on the page alone. Pure. */
export function tell(stored: StoredFact): Told | undefined {
  const told = (what: string, text: string, tone: Told['tone'] = 'plain'): Told => ({ what, text, tone })
  switch (stored.kind) {
    case 'run.submitted': return told('run', `submitted${stored.fact.data.file === undefined ? '' : ` from ${stored.fact.data.file}`}`)
    case 'run.phase': return told('phase', stored.fact.data.phase)
    case 'run.aborting': return told('abort', `${stored.fact.data.cause}: ${stored.fact.data.detail}`, 'bad')
    case 'run.sealed': return told('run', 'sealed: nothing after this counts')
    case 'run.judged': return told('verdict', `${stored.fact.data.verdict}: ${stored.fact.data.reasons.join('; ')}`, stored.fact.data.verdict === 'passed' ? 'good' : 'bad')
    case 'run.services': return told('services', stored.fact.data.unknown ?? `${stored.fact.data.services.length} in the ${stored.fact.data.when}`)
    case 'fault.ordered': return told('fault', `${stored.fact.data.fault} ordered of ${stored.fact.data.nodes.join(', ')}`)
    case 'fault.injected': {
      const { fault, node, targets, verified } = stored.fact.data
      return told('fault', `${fault} injected on ${node}: ${targets.map(({ description }) => description).join(', ')}${verified ? ', read back' : ', NOT CONFIRMED'}`, verified ? 'plain' : 'bad')
    }
    case 'fault.reverted': {
      const { fault, node, cause, verified } = stored.fact.data
      return told('fault', `${fault} reverted on ${node} (${cause})${verified ? ', read back' : ', NOT CONFIRMED: its targets are quarantined'}`, verified ? 'good' : 'bad')
    }
    case 'fault.refused': return told('fault', `${stored.fact.data.fault} refused on ${stored.fact.data.node}: ${stored.fact.data.why}`, 'bad')
    case 'fault.lapsed': return told('fault', `the lease of ${stored.fact.data.fault} ran out on ${stored.fact.data.node}`, 'bad')
    case 'load.state': {
      const { state, users, targetUsers, detail } = stored.fact.data
      return told('load', `${state}, ${users} of ${targetUsers} users${detail === undefined ? '' : `: ${detail}`}`, state === 'failed' ? 'bad' : 'plain')
    }
    case 'gate.status': {
      const { gate, phase, status, evidence } = stored.fact.data
      const tone = status === 'holding' || status === 'met' ? 'good' : status === 'pending' || status === 'no-data' ? 'plain' : 'bad'
      return told('gate', `${gate} (${phase}) ${status}: ${evidence}`, tone)
    }
    case 'probe.refused': return told('probe', `${stored.fact.data.probe} refused on ${stored.fact.data.node}: ${stored.fact.data.why}`, 'bad')
    case 'probe.state': {
      const { probe, node, state, why } = stored.fact.data
      return told('probe', `${probe} is ${state} on ${node}${why === undefined ? '' : `: ${why}`}`, state === 'up' ? 'good' : 'bad')
    }
    case 'probe.ledger': {
      const { probe, node, acknowledged, missing } = stored.fact.data
      return told('probe', `${probe} on ${node}: ${missing} of ${acknowledged} acknowledged writes are missing`, missing === 0 ? 'good' : 'bad')
    }
    default: return undefined
  }
}
