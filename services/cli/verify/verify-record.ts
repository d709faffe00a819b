import { canonical, experimentHashOf, isRecordSigned } from '#shared/decision-record.ts'
import type { DecisionRecord, FactData, RecordedLook, StoredFact } from '#shared/events.ts'
import { looksIn, looksOf } from '#shared/look-record.ts'
import { judge, printJudgement, type Judgement, type Verdict } from '#shared/verdict.ts'
import type { LoggedFact } from '../report/event-log.ts'
import { followChain } from './follow-chain.ts'

/** What was checked, what came of it, and in whole sentences why. `unknown`: nothing is wrong, but nobody vouches for it. */
export interface Check { check: 'log' | 'chain' | 'signature' | 'key' | 'experiment' | 'looks' | 'verdict'; is: 'good' | 'unknown' | 'bad'; says: string[] }

/**
 * `verified`: everything holds, and a key that is trusted has signed it. `unvouched`: everything holds, but nobody who is trusted has signed it.
 * `refuted`: something is wrong. Plain JSON.
 */
export interface Verification {
  result: 'verified' | 'unvouched' | 'refuted'
  run: string
  /** As it stands on record; null when it was never judged. */
  verdict: Verdict | null
  /** The public key that it says has signed it, and the end of the chain. */
  key: string | null
  chain: string | null
  checks: Check[]
}

export interface RecordToVerify {
  /** In the order of the file; at least one. */
  logged: readonly LoggedFact[]
  /** Lines that are no facts, in words. */
  problems: readonly string[]
  /** Text of verdict.json; left out when only the facts are there. */
  verdictFile?: string | undefined
  /** Public keys that are trusted. */
  keys: readonly string[]
}

/** Checks a record without asking anybody. Pure. */
export function verifyRecord({ logged, problems, verdictFile, keys }: RecordToVerify): Verification {
  const facts = logged.map(({ stored }) => stored).toSorted((a, b) => a.stream - b.stream)
  const run = facts[0]?.fact.subject ?? ''
  const verdicts = facts.flatMap(stored => stored.kind === 'run.judged' ? [stored.fact.data] : [])
  const [judged] = verdicts
  const record = judged?.record
  const chain = followChain(run, logged, record?.chain)
  const linked = record && record.facts !== chain.facts && chain.problems.length === 0 ? [`${record.facts} facts were signed for, and ${chain.facts} are linked`] : chain.problems
  const checks: Check[] = [
    check('log', problems, `${logged.length} facts, each as the catalogue says`),
    check('chain', linked, `${chain.facts} facts lead to ${chain.end}${chain.later > 0 ? `; ${chain.later} after the seal decide nothing and are not covered` : ''}`),
    signatureCheck(run, judged, verdicts.length, keys),
    ...record ? [keyCheck(record.key, keys)] : [],
    experimentCheck(facts, record),
    looksCheck(facts),
    verdictCheck(judge(facts), judged, verdictFile),
  ]
  const result = checks.some(({ is }) => is === 'bad') ? 'refuted' : checks.some(({ is }) => is === 'unknown') ? 'unvouched' : 'verified'
  return { result, run, verdict: judged?.verdict ?? null, key: record?.key ?? null, chain: record?.chain ?? null, checks }
}

const check = (name: Check['check'], problems: readonly string[], good: string): Check => problems.length > 0 ? { check: name, is: 'bad', says: [...problems] } : { check: name, is: 'good', says: [good] }

/** Where a key is trusted, what bears no signature is as bad as what bears a wrong one: else taking it off would do. */
function signatureCheck(run: string, judged: FactData<'run.judged'> | undefined, verdicts: number, keys: readonly string[]): Check {
  const unsigned = (why: string): Check => ({ check: 'signature', is: keys.length > 0 ? 'bad' : 'unknown', says: [why] })
  if (!judged) return unsigned('the run was never judged, so nothing is signed')
  if (!judged.record) return unsigned('the verdict is not signed: it was written by an evaluator without a key, or by an older one; nobody vouches for any of this')
  const problems = [
    ...isRecordSigned(run, judged, judged.record) ? [] : [`the signature is not that of ${judged.record.key} over this verdict and this chain`],
    ...verdicts > 1 ? [`there are ${verdicts} verdicts, and the stream takes one: all but the first were added`] : [],
  ]
  return check('signature', problems, `${judged.record.key} has signed this verdict and this chain`)
}

function keyCheck(key: string, trusted: readonly string[]): Check {
  if (trusted.length === 0) return { check: 'key', is: 'unknown', says: ['nobody vouches for this key: anybody can make one; name the one that you trust with --public-key'] }
  return check('key', trusted.includes(key) ? [] : [`signed by ${key}, which is not trusted; trusted: ${trusted.join(', ')}`], 'it is trusted')
}

function experimentCheck(facts: readonly StoredFact[], record: DecisionRecord | undefined): Check {
  const submitted = facts.find(stored => stored.kind === 'run.submitted')
  if (!submitted) return check('experiment', ['no experiment is on record'], '')
  const hash = experimentHashOf(submitted.fact.data.experiment)
  const said = [{ by: 'the scheduler', hash: submitted.fact.data.experimentHash }, ...record ? [{ by: 'the evaluator', hash: record.experimentHash }] : []]
  return check('experiment', said.flatMap(({ by, hash: other }) => other === hash ? [] : [`its SHA-256 is ${hash}, and ${by} has ${other} on record`]), `its SHA-256 is ${hash}, as on record`)
}

const idOf = ({ phase, gate, endMs }: RecordedLook): string => `${phase}/${gate}@${endMs}`
const toldLooks = 20

/** What the evaluator saw as it went, against what the same facts show now. */
function looksCheck(facts: readonly StoredFact[]): Check {
  const shown = new Map<string, Set<string>>()
  for (const look of looksOf(facts)) shown.set(idOf(look), (shown.get(idOf(look)) ?? new Set()).add(canonical(look)))
  const recorded = facts.flatMap(stored => looksIn(stored).map(look => ({ look, at: stored.stream })))
  const wrong = recorded.flatMap(({ look, at }) => {
    const found = shown.get(idOf(look))
    if (found?.has(canonical(look))) return []
    const what = `the look of ${look.gate} (${look.phase}) that ended at ${look.endMs}, in fact ${at}`
    return [found ? `${what}, was recorded as ${canonical(look)}, and the facts show ${[...found].join(' or ')}` : `${what}, does not follow from the facts`]
  })
  const absent = new Set(recorded.map(({ look }) => idOf(look)))
  const others = [...shown.keys()].filter(id => !absent.has(id)).length
  return check('looks', wrong.slice(0, toldLooks), `${absent.size} looks are on record as the facts show them${others > 0 ? `; ${others} more are not on record` : ''}`)
}

function verdictCheck(reached: Judgement, judged: FactData<'run.judged'> | undefined, verdictFile: string | undefined): Check {
  const again = canonical({ reasons: reached.reasons, revertUnconfirmed: reached.revertUnconfirmed })
  const problems = judged ? [
    ...judged.verdict === reached.verdict ? [] : [`on record is ${judged.verdict}, and the facts give ${reached.verdict}: ${reached.reasons.join('; ')}`],
    ...judged.verdict !== reached.verdict || canonical({ reasons: judged.reasons, revertUnconfirmed: judged.revertUnconfirmed }) === again ? [] : [`on record is ${judged.verdict} for other reasons than the facts give: ${reached.reasons.join('; ')}`],
  ] : []
  if (verdictFile !== undefined && verdictFile !== printJudgement(reached)) problems.push('verdict.json is not, byte for byte, what the facts give')
  return check('verdict', problems, judged ? `${reached.verdict}, which the facts give again${verdictFile === undefined ? '' : ', and verdict.json byte for byte'}` : `the facts give ${reached.verdict}`)
}
