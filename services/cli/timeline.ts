import { printDuration } from '#shared/units.ts'
import type { StoredFact } from '#shared/events.ts'

/** One line for people about a fact; nothing for the many that only judge. `startMs` is the run's first fact. Pure. */
export function lineOf(stored: StoredFact, startMs: number): string | undefined {
  const text = textOf(stored)
  if (text === undefined) return undefined
  const sinceMs = Math.max(0, Date.parse(stored.fact.time) - startMs)
  return `${(sinceMs / 1_000).toFixed(1).padStart(6)} s  ${text}`
}

function textOf(stored: StoredFact): string | undefined {
  switch (stored.kind) {
    case 'run.submitted': return `submitted ${stored.fact.subject}`
    case 'run.phase': return `phase ${stored.fact.data.phase}`
    case 'run.aborting': return `ABORT (${stored.fact.data.cause}) ${stored.fact.data.detail}`
    case 'run.sealed': return 'sealed'
    case 'run.judged': return `verdict ${stored.fact.data.verdict}${stored.fact.data.reasons.map(reason => `\n            ${reason}`).join('')}`
    case 'fault.injected': return `injected ${stored.fact.data.fault}: ${stored.fact.data.targets.map(target => target.description).join(', ')}${stored.fact.data.verified ? '' : ' (NOT CONFIRMED)'}`
    case 'fault.reverted': return `reverted ${stored.fact.data.fault} (${stored.fact.data.cause})${stored.fact.data.verified ? '' : ' NOT CONFIRMED: the target is quarantined'}`
    case 'fault.refused': return `refused ${stored.fact.data.fault}: ${stored.fact.data.why}`
    case 'fault.lapsed': return `lease lapsed: ${stored.fact.data.fault}`
    case 'load.state': return `load ${stored.fact.data.state} ${stored.fact.data.users}/${stored.fact.data.targetUsers} users${stored.fact.data.detail === undefined ? '' : `: ${stored.fact.data.detail}`}`
    case 'gate.status': return stored.fact.data.status === 'pending' ? undefined : `gate ${stored.fact.data.gate} (${stored.fact.data.phase}) ${stored.fact.data.status}: ${stored.fact.data.evidence}`
    case 'load.sample': case 'load.stats': case 'gate.closed': case 'slo.answer': case 'slo.tick': case 'slo.history': return undefined
  }
}

/** What the last load samples say, for the live line of a terminal. Pure. */
export function loadLine(samples: readonly Extract<StoredFact, { kind: 'load.sample' }>[]): string {
  const last = samples.at(-1)
  if (!last) return 'no load yet'
  const recent = samples.filter(sample => sample.fact.data.endMs > last.fact.data.endMs - 2_000)
  const sum = (of: 'ok' | 'failed') => recent.reduce((total, { fact }) => total + Object.values(fact.data[of]).reduce((a, b) => a + b, 0), 0)
  const spanMs = Math.max(200, last.fact.data.endMs - Math.min(...recent.map(({ fact }) => fact.data.startMs)))
  const [ok, failed] = [sum('ok'), sum('failed')]
  return `${last.fact.data.users} users, ${((ok + failed) / spanMs * 1_000).toFixed(0)} requests/s, ${failed} failed and ${last.fact.data.inFlightTotal} waiting in the last ${printDuration(2_000)}`
}
