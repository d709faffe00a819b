import type { FactType, StoredFact } from '#shared/events.ts'

/** A fact as the report's timeline tells it. `atMs`: when it happened; undefined for what bears no date of its own. */
export interface TimelineEntry {
  atMs: number | undefined
  kind: FactType
  text: string
  tone: 'plain' | 'good' | 'bad'
}

/** Undefined for the many facts that only feed the gates: samples, answers, ticks, histories. Pure. */
export function describeFact({ kind, fact }: StoredFact): TimelineEntry | undefined {
  const entry = (atMs: number | undefined, text: string, tone: TimelineEntry['tone'] = 'plain') => ({ atMs, kind, text, tone })
  switch (kind) {
    case 'run.submitted': return entry(undefined, `${fact.subject} was submitted`)
    case 'run.phase': return entry(fact.data.atMs, `phase ${fact.data.phase}`)
    case 'run.aborting': return entry(fact.data.atMs, `aborting (${fact.data.cause}): ${fact.data.detail}`, 'bad')
    case 'run.sealed': return entry(fact.data.atMs, 'sealed: nothing later counts')
    case 'run.judged': return entry(undefined, `judged ${fact.data.verdict}`)
    case 'fault.ordered': return entry(fact.data.atMs, `${fact.data.fault} is ordered of ${fact.data.nodes.join(', ')}`)
    case 'fault.injected': {
      const { fault, node, verified, readBack, requestedAtMs, injectedAtMs } = fact.data
      const seen = verified ? `read back: ${readBack.join(', ') || 'yes'}` : 'its effect was NOT seen'
      return entry(injectedAtMs, `${fault} injected on ${node}, ${injectedAtMs - requestedAtMs} ms after the request; ${seen}`, verified ? 'plain' : 'bad')
    }
    case 'fault.reverted': {
      const { fault, node, verified, readBack, cause, revertedAtMs } = fact.data
      const seen = verified ? `read back: ${readBack.join(', ') || 'yes'}` : 'NOT confirmed, its targets are quarantined'
      return entry(revertedAtMs, `${fault} reverted on ${node} (${cause}); ${seen}`, verified ? 'good' : 'bad')
    }
    case 'fault.refused': return entry(undefined, `${fact.data.fault} refused by ${fact.data.node}: ${fact.data.why}`, 'bad')
    case 'fault.lapsed': return entry(fact.data.atMs, `the lease of ${fact.data.fault} on ${fact.data.node} ran out`, 'bad')
    case 'load.state': {
      const { state, users, targetUsers, detail, atMs } = fact.data
      return entry(atMs, `load ${state}, ${users} of ${targetUsers} users${detail === undefined ? '' : `: ${detail}`}`, state === 'failed' ? 'bad' : 'plain')
    }
    case 'gate.status': {
      const { gate, phase, status, evidence, atMs } = fact.data
      const tone = status === 'met' || status === 'holding' ? 'good' : ['breached', 'unreadable', 'missed'].includes(status) ? 'bad' : 'plain'
      return entry(atMs, `gate ${gate} (${phase}) is ${status}: ${evidence}`, tone)
    }
    case 'probe.opened': return entry(fact.data.atMs, `the prober on ${fact.data.node} begins with ${fact.data.probes.join(', ')}`)
    case 'probe.refused': return entry(fact.data.atMs, `the probe ${fact.data.probe} was refused by the prober on ${fact.data.node}: ${fact.data.why}`, 'bad')
    case 'probe.state': {
      const { probe, node, state, why, atMs } = fact.data
      return entry(atMs, `probe ${probe} is ${state}, seen from ${node}${why === undefined ? '' : `: ${why}`}`, state === 'up' ? 'good' : 'bad')
    }
    case 'probe.ledger': {
      const { probe, node, acknowledged, missing, atMs } = fact.data
      return entry(atMs, `the ledger of ${probe} on ${node}: ${missing} of ${acknowledged} acknowledged writes are missing`, missing === 0 ? 'good' : 'bad')
    }
    case 'probe.closed': return entry(fact.data.atMs, `the prober on ${fact.data.node} is done`)
    case 'policy.set': case 'policy.removed': case 'policy.ticked': case 'policy.missed': case 'policy.settled': case 'policy.paused': case 'policy.resumed': return undefined // of no run
    case 'probe.samples':
    case 'run.services': case 'halt.set': case 'halt.released': case 'audit.request': case 'audit.halt': case 'load.sample': case 'load.stats': case 'gate.closed': case 'slo.answer': case 'slo.tick': case 'slo.history': return undefined
  }
}
