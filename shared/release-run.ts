import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { z } from 'zod'
import type { DecisionRecord, FactData, FactType, StoredFact } from '#shared/events.ts'
import type { TestedService } from '#shared/tested-service.ts'
import type { Verdict } from '#shared/verdict.ts'

/** What a release check has to know of one run. Null is what is not on record. */
export interface ReleaseRun {
  run: string
  experiment: string
  /** Of the experiment as it was submitted (`experimentIdentity`). */
  hash: string
  sealedAtMs: number | null
  verdict: Verdict | null
  /** Of the verdict. */
  reasons: readonly string[]
  revertUnconfirmed: boolean
  /** What was there as the run began, and once it was sealed. */
  begin: readonly TestedService[] | null
  end: readonly TestedService[] | null
  /** Why it could not be found out what was there. */
  unknown: string | null
  /** Why none of this can be relied on. */
  doubt: string | null
  /** Who says that the verdict is this one. */
  record?: DecisionRecord
}

/** The facts that it is folded from. */
export const releaseFacts: FactType[] = ['run.submitted', 'run.services', 'run.sealed', 'run.judged']

/** Every run in these facts, in the order of their submission; facts in the order of their stream. Pure. */
export function releaseRunsOf(facts: Iterable<StoredFact>): ReleaseRun[] {
  const runs = new Map<string, ReleaseRun>()
  for (const stored of facts) {
    const run = stored.fact.subject
    if (stored.kind === 'run.submitted' && !runs.has(run)) runs.set(run, begun(run, stored.fact.data.experiment))
    const known = runs.get(run)
    if (known) runs.set(run, fold(known, stored))
  }
  return [...runs.values()]
}

function fold(state: ReleaseRun, stored: StoredFact): ReleaseRun {
  switch (stored.kind) {
    case 'run.services': return withServices(state, stored.fact.data)
    case 'run.sealed': return { ...state, sealedAtMs: state.sealedAtMs ?? stored.fact.data.atMs }
    case 'run.judged': {
      const { verdict, reasons, revertUnconfirmed, record } = stored.fact.data
      return state.verdict === null ? { ...state, verdict, reasons, revertUnconfirmed, ...(record && { record }) } : state
    }
    default: return state
  }
}

/** The first word counts. What was declared holds for the whole run: nobody looked, so nobody could look again. */
function withServices(state: ReleaseRun, { when, services, declared, unknown }: FactData<'run.services'>): ReleaseRun {
  if (unknown !== undefined) return { ...state, unknown: state.unknown ?? unknown }
  const known = { ...state, [when]: state[when] ?? services }
  return declared && when === 'begin' ? { ...known, end: known.end ?? services } : known
}

function begun(run: string, document: unknown): ReleaseRun {
  return {
    run, experiment: named.safeParse(document).data?.metadata.name ?? '', hash: experimentIdentity(document), sealedAtMs: null,
    verdict: null, reasons: [], revertUnconfirmed: false, begin: null, end: null, unknown: null, doubt: null,
  }
}

const named = z.looseObject({ metadata: z.looseObject({ name: z.string() }) })

/**
 * SHA-256, in hex, of all that an experiment asks: of its document as written, but of its metadata only the name. Namespace, labels and
 * annotations say nothing about what is done, and a Kubernetes object has others than its file. What was measured of it (`calibration`) asks nothing.
 */
export function experimentIdentity(document: unknown): string {
  const found = named.safeParse(document)
  if (!found.success) return sha256(document)
  const { calibration: _measured, metadata: { name }, ...asked } = found.data
  return sha256({ ...asked, metadata: { name } })
}

const sha256 = (value: unknown): string => createHash('sha256').update(canonicalize(value) ?? '').digest('hex')
