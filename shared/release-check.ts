import { isRecordSigned } from '#shared/decision-record.ts'
import type { ReleaseRun } from '#shared/release-run.ts'
import { printService, type TestedService } from '#shared/tested-service.ts'
import { printDuration } from '#shared/units.ts'
import type { Verdict } from '#shared/verdict.ts'

/**
 * May this version of a service go out? Yes, when each required experiment has passed on it, lately. Whatever is not known blocks.
 *
 * Of each experiment its newest run on this version decides, whatever became of it: a run that failed, was left without a verdict or is still
 * under way is not outvoted by an older one that passed. A run of which nobody knows what it was on counts as one on this version.
 */
export interface ReleaseQuestion {
  /** `shop`, or with its namespace `jewelry/shop`. */
  app: string
  version: string
  /** How long ago a run may have been sealed. */
  withinMs: number
  required: readonly Requirement[]
  /** In the order of their submission. */
  runs: readonly ReleaseRun[]
  nowMs: number
  /** What of the record cannot be read, in words: it could be anything, so it blocks. */
  unreadable?: readonly string[]
  /** Only verdicts that one of these public keys has signed count; any when there are none. */
  trustedKeys?: readonly string[]
}

/** `hash`: an experiment of that name which asks anything else does not count (`experimentIdentity`). */
export interface Requirement { experiment: string; hash?: string | undefined }

/** Plain JSON; keys are only ever added. */
export interface ReleaseDecision {
  passed: boolean
  decision: 'pass' | 'block'
  app: string
  version: string
  withinMs: number
  /** Why it blocks; empty when it passes. */
  reasons: string[]
  /** In the order in which they were required. */
  experiments: ExperimentDecision[]
}

export interface ExperimentDecision {
  experiment: string
  decision: 'pass' | 'block'
  /** The run that decided; null when there is none on this version. */
  run: string | null
  verdict: Verdict | null
  /** Since it was sealed. */
  ageMs: number | null
  /** All versions of the service that were there as the run began or ended. */
  versions: string[]
  why: string
}

/** Clocks of two machines differ; a run that was sealed later than this from now was dated by one that is wrong. */
const clockToleranceMs = 60_000

/** Pure. */
export function checkRelease(question: ReleaseQuestion): ReleaseDecision {
  const { app, version, withinMs, required, runs, unreadable = [] } = question
  const service = serviceNamed(app)
  const experiments = required.map(requirement => decide(requirement, service, question))
  const namespaces = new Set(runs.filter(({ run }) => experiments.some(decided => decided.run === run)).flatMap(run => namespacesOf(run, service)))
  const reasons = [
    ...required.length === 0 ? ['no experiment is required of it, so nothing speaks for it'] : [],
    ...unreadable,
    ...experiments.filter(({ decision }) => decision === 'block').map(({ experiment, why }) => `${experiment}: ${why}`),
    ...namespaces.size > 1 ? [ambiguous(service, [...namespaces])] : [],
  ]
  const passed = reasons.length === 0
  return { passed, decision: passed ? 'pass' : 'block', app, version, withinMs, reasons: [...new Set(reasons)], experiments }
}

interface Service { app: string; namespace?: string }

function serviceNamed(text: string): Service {
  const slash = text.indexOf('/')
  return slash === -1 ? { app: text } : { namespace: text.slice(0, slash), app: text.slice(slash + 1) }
}

const isIt = ({ app, namespace }: Service) => (found: TestedService) => found.app === app && (namespace === undefined || found.namespace === namespace)

function decide(requirement: Requirement, service: Service, question: ReleaseQuestion): ExperimentDecision {
  const { experiment } = requirement
  const ofIt = question.runs.filter(run => run.experiment === experiment)
  const newest = ofIt.filter(run => mayBeOn(run, service, question.version)).at(-1)
  if (!newest) return { experiment, decision: 'block', run: null, verdict: null, ageMs: null, versions: [], why: noRun(ofIt, service, question) }
  const against = whatSpeaksAgainst(newest, requirement, service, question)
  return {
    experiment, decision: against.length === 0 ? 'pass' : 'block', run: newest.run, verdict: newest.verdict,
    ageMs: newest.sealedAtMs === null ? null : question.nowMs - newest.sealedAtMs,
    versions: versionsIn([...newest.begin ?? [], ...newest.end ?? []], service),
    why: against.length === 0 ? `${newest.run} passed on ${question.app} ${question.version}` : against.join('; '),
  }
}

function mayBeOn({ begin, end }: ReleaseRun, service: Service, version: string): boolean {
  return begin === null || versionsIn([...begin, ...end ?? []], service).includes(version)
}

function noRun(ofIt: readonly ReleaseRun[], service: Service, { app, version }: ReleaseQuestion): string {
  const last = ofIt.at(-1)
  if (!last) return 'no run of it is on record'
  const others = versionsIn([...last.begin ?? [], ...last.end ?? []], service)
  return `none of its runs was on ${app} ${version}; the newest, ${last.run}, was ${others.length === 0 ? `not on ${app} at all` : `on ${others.join(' and ')}`}`
}

/** Every reason why this run is no evidence that this version may go out. */
function whatSpeaksAgainst(run: ReleaseRun, { hash }: Requirement, service: Service, { app, version, withinMs, nowMs, trustedKeys = [] }: ReleaseQuestion): string[] {
  const name = run.run
  if (run.doubt !== null) return [`${name} cannot be relied on: ${run.doubt}`]
  if (run.verdict === null || run.sealedAtMs === null) return [`${name} has no verdict: it is under way, or was left without one`]
  const ageMs = nowMs - run.sealedAtMs
  return [
    ...run.verdict === 'passed' ? [] : [`${name} ${run.verdict === 'failed' ? 'failed' : 'was inconclusive'}${run.reasons[0] === undefined ? '' : `: ${run.reasons[0]}`}`],
    ...whoDidNotSign(run, trustedKeys),
    ...run.revertUnconfirmed ? [`a fault of ${name} was not confirmed as reverted`] : [],
    ...hash !== undefined && run.hash !== hash ? [`${name} was of another experiment under this name (SHA-256 ${run.hash.slice(0, 12)}…, required ${hash.slice(0, 12)}…)`] : [],
    ...wrongVersion(run, service, app, version),
    ...ageMs > withinMs ? [`${name} is too old: it ended ${printAge(ageMs)} ago, and ${printDuration(withinMs)} are allowed`] : [],
    ...ageMs < -clockToleranceMs ? [`${name} ended ${printAge(-ageMs)} from now, by a clock that cannot be right`] : [],
  ]
}

/** Whoever can write into the stream, or into a folder, could write a verdict; the key is the evaluator's alone. */
function whoDidNotSign({ run, verdict, reasons, revertUnconfirmed, record }: ReleaseRun, trustedKeys: readonly string[]): string[] {
  if (trustedKeys.length === 0 || verdict === null) return []
  if (!record) return [`the verdict on ${run} is not signed: its evaluator had no key, or was of an older version. Only what ${trustedKeys.join(' or ')} has signed counts: run it again`]
  if (!trustedKeys.includes(record.key)) return [`the verdict on ${run} is signed by ${record.key}, which is not trusted: run it again, or have that key trusted, too, if it was the evaluator's before (setting verdicts.publicKey)`]
  return isRecordSigned(run, { verdict, reasons: [...reasons], revertUnconfirmed }, record) ? [] : [`the signature on the verdict on ${run} is not that of ${record.key}`]
}

/** The service must have been there as the run began and as it ended, in this version alone. */
function wrongVersion(run: ReleaseRun, service: Service, app: string, version: string): string[] {
  if (run.unknown !== null) return [`which versions ${run.run} was on could not be found out: ${run.unknown}`]
  const namespaces = namespacesOf(run, service)
  if (namespaces.length > 1) return [ambiguous(service, namespaces)]
  return ([['began', run.begin], ['ended', run.end]] as const).flatMap(([when, there]) => {
    if (there === null) return [`which versions were there as ${run.run} ${when} is not on record`]
    const versions = versionsIn(there, service)
    if (versions.length === 0) return [`${app} was not there as ${run.run} ${when}`]
    return versions.length === 1 && versions[0] === version ? [] : [`as ${run.run} ${when}, ${app} was there as ${versions.join(' and ')}, not as ${version} alone`]
  })
}

const versionsIn = (there: readonly TestedService[], service: Service): string[] => [...new Set(there.filter(isIt(service)).map(({ version }) => version))].sort()
const namespacesOf = ({ begin, end }: ReleaseRun, service: Service): string[] => [...new Set([...begin ?? [], ...end ?? []].filter(isIt(service)).map(({ namespace }) => namespace))].sort()
const ambiguous = ({ app }: Service, namespaces: readonly string[]) => `${app} is in several namespaces; say which is meant: ${namespaces.toSorted().map(namespace => printService({ namespace, app })).join(', ')}`

/** To the second; what has just ended is `0s` old. */
const printAge = (ms: number): string => ms < 1_000 ? '0s' : printDuration(Math.floor(ms / 1_000) * 1_000)
