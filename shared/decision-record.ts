import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { DecisionRecord, FactData, StoredFact } from '#shared/events.ts'
import { isSignedBy, type Signer } from '#shared/signing-key.ts'

/**
 * What a verdict stands on: every fact of its run up to the seal, each linked to the one before it, and the end of that chain signed together with
 * the verdict. Whoever has the facts and trusts the key can check all of it without asking anybody.
 *
 *   link 0     SHA-256("faultline decision record 1\n" and the run's name)
 *   link i     SHA-256(link i-1, "\n", the canonical JSON of {fact, stream})       facts in the order of the stream
 *   signature  Ed25519 over the canonical JSON of the statement
 *
 * Links are in hex; canonical JSON is RFC 8785. What comes after the seal decides nothing (verdict-log.ts), and is not covered.
 */
const format = 'faultline decision record 1'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/**
 * RFC 8785 JSON. A number that JSON.parse made infinite (1e999), which it has no text for, is null, as whoever passes it on as JSON makes of it: all
 * come to the same text. Throws for what is no JSON.
 */
export function canonical(value: unknown): string {
  const printed = printOrUndefined(value) ?? canonicalize(JSON.parse(JSON.stringify(value)))
  if (printed === undefined) throw new Error('what is hashed is JSON')
  return printed
}

function printOrUndefined(value: unknown): string | undefined {
  try {
    return canonicalize(value)
  } catch {
    return undefined
  }
}

/** SHA-256, in hex, of an experiment as it was submitted. */
export const experimentHashOf = (document: unknown): string => sha256(canonical(document ?? null))

export const firstLink = (run: string): string => sha256(`${format}\n${run}`)
export const nextLink = (link: string, { stream, fact }: StoredFact): string => sha256(`${link}\n${canonical({ fact, stream })}`)

/** The chain so far. `sealed`: it has its last link. Plain JSON. */
export interface Chain { link: string; facts: number; sealed: boolean; experimentHash: string }

export const beginChain = (run: string): Chain => ({ link: firstLink(run), facts: 0, sealed: false, experimentHash: '' })

/** One more fact of the run, in the order of the stream; after the seal nothing is linked any more. */
export function extendChain(chain: Chain, stored: StoredFact): Chain {
  if (chain.sealed) return chain
  const isSubmission = stored.kind === 'run.submitted' && chain.experimentHash === '' // a second one changes nothing
  return {
    link: nextLink(chain.link, stored), facts: chain.facts + 1, sealed: stored.kind === 'run.sealed',
    experimentHash: isSubmission ? experimentHashOf(stored.fact.data.experiment) : chain.experimentHash,
  }
}

export type Judged = Pick<FactData<'run.judged'>, 'verdict' | 'reasons' | 'revertUnconfirmed'>
type Statement = Pick<DecisionRecord, 'experimentHash' | 'facts' | 'chain'>

/** What is signed: the verdict, what it is about, and what it stands on. */
const statementOf = (run: string, { verdict, reasons, revertUnconfirmed }: Judged, { experimentHash, facts, chain }: Statement): string =>
  canonical({ format, run, verdict, reasons, revertUnconfirmed, experimentHash, facts, chain })

export function signRecord(run: string, judged: Judged, { link, facts, experimentHash }: Chain, signer: Signer): DecisionRecord {
  const statement = { experimentHash, facts, chain: link }
  return { ...statement, key: signer.publicKey, signature: signer.sign(statementOf(run, judged, statement)) }
}

/** Whether the key that a record names has signed this very verdict of this run. Whose key that is, it does not say. */
export const isRecordSigned = (run: string, judged: Judged, record: DecisionRecord): boolean => isSignedBy(record.key, statementOf(run, judged, record), record.signature)
