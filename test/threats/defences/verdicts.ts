import type { Defence } from '../defence.ts'

const record = 'shared/decision-record.ts'
const verify = 'services/cli/verify/verify-record.ts'
const verdict = 'shared/verdict.ts'
const verifyTest = 'test/unit/verify-record.test.ts'

/** Rows of THREATS.md on what a verdict stands on. */
export const verdictDefences: readonly Defence[] = [
  {
    row: 'forged-pass', name: 'what decides first decides',
    changes: [{ file: verdict, find: 'const decisive = evidence.facts.map(decisiveFact).find(found => found !== undefined)', put: 'const decisive = undefined as Decided | undefined' }],
  },
  {
    row: 'forged-pass', name: 'a lapsed lease decides',
    changes: [{ file: verdict, find: "case 'fault.lapsed': return", put: "case 'fault.lapsed': if (stored.kind !== 'fault.lapsed') return" }],
  },
  { row: 'forged-pass', name: 'without its end no run passes', changes: [{ file: verdict, find: "if (!gates.sealed) missing.push('the run has no end: run.sealed is missing')", put: '' }] },
  {
    row: 'changed-verdict', name: 'a link is of all that a fact says',
    changes: [{ file: record, find: 'canonical({ fact, stream })', put: 'canonical({ id: fact.id, stream })' }],
  },
  {
    row: 'changed-verdict', name: 'the signature is checked', test: { file: verifyTest, title: 'a changed verdict, a second one, and a verdict.json of another run are found' },
    changes: [{ file: verify, find: '...isRecordSigned(run, judged, judged.record) ? []', put: '...run !== \'\' ? []' }],
  },
  {
    row: 'changed-verdict', name: 'verdict.json is what the facts give, byte for byte', test: { file: verifyTest, title: 'a changed verdict, a second one, and a verdict.json of another run are found' },
    changes: [{ file: verify, find: 'if (verdictFile !== undefined && verdictFile !== printJudgement(reached)) problems', put: "if (verdictFile === '') problems" }],
  },
  { row: 'missing-facts', name: 'the chain is followed', changes: [{ file: verify, find: "check('chain', linked,", put: "check('chain', [],"}] },
  {
    row: 'missing-facts', name: 'a link is of the one before it', test: { file: verifyTest, title: 'whoever makes all links anew after a change does not come to the end that was signed' },
    changes: [{ file: record, find: 'sha256(`${link}\\n${canonical(', put: 'sha256(`${link.length}\\n${canonical(' }],
  },
  {
    row: 'missing-facts', name: 'the last link is signed', test: { file: verifyTest, title: 'whoever makes all links anew after a change does not come to the end that was signed' },
    changes: [{ file: record, find: 'experimentHash, facts, chain })', put: 'experimentHash, facts, chain: chain.length })' }],
  },
  { row: 'strangers-key', name: 'only trusted keys count', changes: [{ file: verify, find: "check('key', trusted.includes(key) ? [] :", put: "check('key', trusted.length > 0 ? [] :" }] },
  { row: 'unsigned-record', name: 'where a key is trusted, a signature is demanded', changes: [{ file: verify, find: "is: keys.length > 0 ? 'bad' : 'unknown', says: [why]", put: "is: 'unknown', says: [why]" }] },
  { row: 'unfounded-verdict', name: 'the verdict is reached again', changes: [{ file: verify, find: '...judged.verdict === reached.verdict ? []', put: "...judged.verdict !== 'failed' ? []" }] },
  { row: 'second-verdict', name: 'the stream takes one', changes: [{ file: 'shared/fact-store.ts', find: 'this.#publish(fact, { lastSubjectSequence: lookedUpTo })', put: 'this.#publish(fact)' }] },
  { row: 'unsigned-release', name: 'a signature is demanded', changes: [{ file: 'shared/release-check.ts', find: 'if (!record) return [', put: 'if (!record) return []\n  if (record === undefined) return [' }] },
  { row: 'unsigned-release', name: 'only trusted keys count', changes: [{ file: 'shared/release-check.ts', find: 'if (!trustedKeys.includes(record.key)) return [', put: 'if (trustedKeys.length === 0) return [' }] },
]
