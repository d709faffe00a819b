import { readFile, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { readConfig } from '#shared/config.ts'
import { FaultlineError, InvalidInput, messageOf } from '#shared/errors.ts'
import { readExperimentFile, renderProblem } from '#shared/experiment-file.ts'
import { checkRelease, type ReleaseDecision, type Requirement } from '#shared/release-check.ts'
import { printRequirement, releaseQuerySchema, type ReleaseQuery } from '#shared/release-query.ts'
import { experimentIdentity } from '#shared/release-run.ts'
import { ApiClient, SchedulerUnreachable } from '../api-client.ts'
import { askAgain } from '../ask-again.ts'
import { connectScheduler, type ClusterOptions } from '../cluster/scheduler.ts'
import { trustedKeys } from '../verify/trusted-keys.ts'
import { readLocalRuns } from './local-runs.ts'
import { printRelease, printReleaseJunit, printReleaseMarkdown } from './release-report.ts'

class ReleaseOptionInvalid extends InvalidInput {
  readonly code = 'release_option_invalid'
}

const patienceMs = 10_000
const askAgainMs = 1_000

/** As given on the command line. */
export interface ReleaseOptions extends ClusterOptions {
  app: string
  version: string
  within: string
  /** NAME or NAME@SHA256. */
  require?: string[]
  /** Files with the experiments that must have passed as they stand there. */
  from?: string[]
  cluster?: boolean
  url?: string
  tokenFile?: string
  results: string
  publicKey?: string[]
  junit?: string
  markdown?: string
  json?: boolean
}

/**
 * `faultline release-check`: 0 when the version may go out, 1 when it must not, 4 when whoever knows cannot be asked, which is told in the
 * reports too. Throws InvalidInput (3).
 */
export async function releaseCommand(options: ReleaseOptions): Promise<0 | 1 | 4> {
  const query = readQuery(options)
  const required = [...query.require ?? [], ...await requirementsIn(options.from ?? [])]
  if (required.length === 0 && !isRemote(options)) throw new ReleaseOptionInvalid('nothing is required: name experiments with --require, or their files with --from')
  let cause: unknown
  const decision = await decide(options, { ...query, require: required }).catch((error: unknown): ReleaseDecision => {
    if (!(error instanceof FaultlineError) || error.exitCode !== 4) throw error
    cause = error
    return blockedBy(error, query)
  })
  process.stdout.write(options.json ? `${JSON.stringify(decision, null, 2)}\n` : printRelease(decision))
  if (options.junit !== undefined) await writeReport('--junit', options.junit, printReleaseJunit(decision))
  if (options.markdown !== undefined) await writeReport('--markdown', options.markdown, printReleaseMarkdown(decision))
  if (cause === undefined) return decision.passed ? 0 : 1
  process.stderr.write(`${messageOf(cause)}\n`)
  return 4
}

/** Whoever reads the report would take an older one, or none, for the decision: that blocks. */
async function writeReport(option: string, path: string, text: string): Promise<void> {
  await writeFile(path, text).catch((cause: unknown) => {
    throw new ReleaseOptionInvalid(`${option} ${path} cannot be written: ${messageOf(cause)}`, { cause })
  })
}

const isRemote = ({ cluster, url }: ReleaseOptions) => cluster === true || url !== undefined

function readQuery({ app, version, within, require }: ReleaseOptions): ReleaseQuery {
  const query = releaseQuerySchema.safeParse({ app, version, within, ...(require && { require }) })
  if (query.success) return query.data
  throw new ReleaseOptionInvalid(query.error.issues.map(({ path: [option], message }) => `--${String(option)}: expected ${message}${option === 'within' ? `, found ${within}` : ''}`).join('\n'))
}

async function requirementsIn(files: readonly string[]): Promise<Requirement[]> {
  const read = await Promise.all(files.map(readExperimentFile))
  const problems = read.flatMap(file => file.problems)
  if (problems.length > 0) throw new ReleaseOptionInvalid(problems.map(renderProblem).join('\n'))
  return read.flatMap(({ experiments }) => experiments.map(({ document, experiment }) => ({ experiment: experiment.name, hash: experimentIdentity(document) })))
}

async function decide(options: ReleaseOptions, question: ReleaseQuery & { require: Requirement[] }): Promise<ReleaseDecision> {
  if (options.url !== undefined) return ask({ apiUrl: options.url.replace(/\/+$/, ''), token: await readToken(options.tokenFile) }, question)
  if (options.cluster) {
    await using scheduler = await connectScheduler(options)
    return await ask(scheduler, question)
  }
  const { app, version, within, require } = question
  return checkRelease({ app, version, withinMs: within, required: require, nowMs: Date.now(), ...await readLocalRuns(options.results, await trustedKeys(options.publicKey)) })
}

async function readToken(file: string | undefined): Promise<string> {
  const token = file === undefined ? readConfig().get('release.token') : await readFile(file, 'utf8').then(text => text.trim(), (cause: unknown) => {
    throw new ReleaseOptionInvalid(`--token-file ${file} cannot be read: ${messageOf(cause)}`, { cause })
  })
  if (token === undefined || token === '') throw new ReleaseOptionInvalid('--url needs a token: name a file that holds it with --token-file, or set FAULTLINE_RELEASE_TOKEN')
  return token
}

const answerSchema = z.looseObject({
  passed: z.boolean(), decision: z.enum(['pass', 'block']), app: z.string(), version: z.string(), withinMs: z.number(), reasons: z.array(z.string()),
  experiments: z.array(z.looseObject({
    experiment: z.string(), decision: z.enum(['pass', 'block']), run: z.string().nullable(), verdict: z.enum(['passed', 'failed', 'inconclusive']).nullable(),
    ageMs: z.number().nullable(), versions: z.array(z.string()), why: z.string(),
  })),
})

/** What is not required here, the scheduler's operator may have set. */
async function ask(scheduler: { apiUrl: string; token: string }, { app, version, within, require }: ReleaseQuery & { require: Requirement[] }): Promise<ReleaseDecision> {
  const query = new URLSearchParams({ app, version, within: `${within}ms`, ...(require.length > 0 && { require: require.map(printRequirement).join(',') }) })
  const answer = answerSchema.safeParse(await askPatiently(() => new ApiClient(scheduler).releaseCheck(query)).catch((cause: unknown) => {
    if (cause instanceof FaultlineError) throw cause
    throw new SchedulerUnreachable(`what ${scheduler.apiUrl} answered is no JSON: ${messageOf(cause)}`, { cause })
  }))
  if (!answer.success) throw new SchedulerUnreachable(`what ${scheduler.apiUrl} answered is no release decision: ${answer.error.message}`)
  const decision = answer.data
  const unasked = require.find(({ experiment }) => decision.experiments.find(found => found.experiment === experiment)?.decision !== 'pass')
  const agrees = decision.app === app && decision.version === version && (decision.decision === 'pass') === decision.passed && !(decision.passed && (unasked || decision.experiments.length === 0))
  if (!agrees) throw new SchedulerUnreachable(`what ${scheduler.apiUrl} answered is no answer to this question`)
  return decision
}

/**
 * A scheduler that is away for a moment, as while it is updated or NATS changes its leader, is asked again, and says so on standard error. Nothing passes by that: each
 * answer is out of a record that was read anew. Throws what it threw last, no more than 10 s after the first question, and the time that the last one takes.
 */
async function askPatiently(question: () => Promise<unknown>): Promise<unknown> {
  const ask = () => question().then(answer => ({ answer }), (error: unknown) => {
    if (error instanceof SchedulerUnreachable) return { error }
    throw error
  })
  const said = await askAgain(ask, told => 'error' in told ? told.error.message : undefined, { patienceMs, againMs: askAgainMs, afterwards: ', and blocks after that' })
  if ('error' in said) throw said.error
  return said.answer
}

function blockedBy(error: FaultlineError, { app, version, within }: ReleaseQuery): ReleaseDecision {
  return { passed: false, decision: 'block', app, version, withinMs: within, reasons: [`nobody could be asked: ${error.message}`], experiments: [] }
}
