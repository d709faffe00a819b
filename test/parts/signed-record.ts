import { beginChain, experimentHashOf, extendChain, signRecord } from '#shared/decision-record.ts'
import type { StoredFact } from '#shared/events.ts'
import { looksOf } from '#shared/look-record.ts'
import type { Signer } from '#shared/signing-key.ts'
import { judge } from '#shared/verdict.ts'
import { readLoggedFacts } from '../../services/cli/report/event-log.ts'
import { verifyRecord, type Verification } from '../../services/cli/verify/verify-record.ts'
import { LogBuilder } from './verdict-log-builder.ts'

/** A scripted run as its services would leave it: its experiment's hash, its looks on record in the last tick, one fact after the seal, and its verdict. */
export function recordOf(script: readonly StoredFact[], signer?: Signer): StoredFact[] {
  const lastTick = script.findLast(({ kind }) => kind === 'slo.tick')
  const facts = script.map(stored => {
    if (stored.kind === 'run.submitted') return { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, experimentHash: experimentHashOf(stored.fact.data.experiment) } } }
    if (stored === lastTick && stored.kind === 'slo.tick') return { ...stored, fact: { ...stored.fact, data: { ...stored.fact.data, looks: looksOf(script) } } }
    return stored
  })
  const { verdict, reasons, revertUnconfirmed } = judge(facts)
  const judged = { verdict, reasons, revertUnconfirmed }
  const chain = facts.reduce((links, stored) => extendChain(links, stored), beginChain('r1'))
  const more = new LogBuilder().add('load.stats', { stats: {}, atMs: 1 }).add('run.judged', { ...judged, ...(signer && { record: signRecord('r1', judged, chain, signer) }) })
  return [...facts, ...more.facts.map(stored => ({ ...stored, stream: stored.stream + facts.length, fact: { ...stored.fact, source: `${stored.fact.source}-late` } }) as StoredFact)]
}

/** What comes of a log of these lines. */
export async function verifyLines(lines: readonly string[], keys: readonly string[], verdictFile?: string): Promise<Verification> {
  const { logged, problems } = await readLoggedFacts([lines.map(line => `${line}\n`).join('')])
  return verifyRecord({ logged, problems, keys, verdictFile })
}

/** All that is not as it should be, in words. */
export const saidAgainst = ({ checks }: Verification): string => checks.flatMap(({ check, is, says }) => is === 'good' ? [] : says.map(line => `${check}: ${line}`)).join('\n')
