import { Cron } from 'croner'
import { DateTime, IANAZone } from 'luxon'
import { z } from 'zod'
import type { DocumentFormat } from '#shared/document-file.ts'
import type { JsonSchema } from '#shared/experiment-schema.ts'
import { experimentSchema, type Experiment } from '#shared/experiment.ts'
import type { SloBudget } from '#shared/policy-budget.ts'
import { openWeek, weekdays, type Calendar, type Window } from '#shared/policy-calendar.ts'
import { printServiceKey, servicesOfExperiment, type ServiceKey } from '#shared/policy-services.ts'
import { promqlProblem } from '#shared/promql.ts'
import { dnsLabel, duration, printDuration, ratio } from '#shared/units.ts'

/**
 * Continuous low-rate chaos as faultline works with it: which experiments, how often, and when not. As an experiment, it is never sent in this form: facts
 * carry the document as it was written, and everybody parses it with the one schema below.
 */
export interface Policy {
  name: string
  timing: Timing
  calendar: Calendar
  cooldownMs: number
  concurrency: number
  /** A tick that may not begin yet waits this long, then it is given up. */
  waitMs: number
  pauseOn: readonly ('failed' | 'inconclusive')[]
  prefersCoverage: boolean
  budgets: readonly SloBudget[]
  templates: readonly Template[]
}

/** `perMs`: ticks in a millisecond of the time in which one may begin. */
export type Timing = { by: 'rate'; perMs: number; seed: string } | { by: 'cron'; pattern: string; seed: string }

export interface Template {
  name: string
  weight: number
  experiment: Experiment
  /** As it is submitted. */
  document: unknown
  /** No two runs at a time are on the same one. */
  services: readonly ServiceKey[]
  /** From its begin to its end at most: load, quiet time, hold, and the deadline of the recovery. */
  lengthMs: number
}

const hourMs = 3_600_000
const clockTime = () => z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'a time of day such as 09:30').transform(text => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)))
const date = () => z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'a date such as 2026-12-24').refine(text => DateTime.fromISO(text).isValid, 'a date that the calendar has')

const rate = z.strictObject({
  mean: z.number().positive().max(10_000).describe('How many runs begin in that time, on average'),
  per: z.enum(['hour', 'day', 'week']).describe('hour: of open time; day: on which a window opens; week'),
  seed: z.int().min(0).max(2 ** 31 - 1).default(1).describe('The same seed gives the same times, and the same choices among templates'),
})

const window = z.strictObject({
  days: z.array(z.enum(weekdays)).min(1).max(7).default([...weekdays]).describe('Days on which it opens'),
  from: clockTime().describe('When it opens, by the clock of the time zone'),
  to: clockTime().describe('When it closes: every run of the policy is to be over by then; a time that is not later than from is one of the next day'),
})

const freeze = z.strictObject({
  from: date().describe('First date on which nothing runs'),
  to: date().describe('Last one'),
  why: z.string().max(200).optional().describe('For people'),
}).refine(({ from, to }) => from <= to, { path: ['to'], message: 'a date that is not before from' })

const budget = z.strictObject({
  slo: dnsLabel().describe('Names the SLO; each once'),
  remaining: z.string().describe('PromQL: how much of its error budget is left, 1 for all of it, 0 for none; more than 1 is no answer'),
  share: ratio().refine(value => value > 0, 'a share above 0').describe('The most that chaos may spend of what would be left without it'),
  costPerRun: ratio().refine(value => value > 0, 'a share above 0').default(0.01).describe('What one run spends at most, of the whole budget; more, once a run has been measured to have spent more'),
  slowBelow: ratio().refine(value => value > 0, 'a share above 0').default(0.5).describe('Below this part of the allowance of an untouched budget, fewer ticks run, in proportion'),
  period: z.int().min(1).max(90).default(28).describe('Days over which the SLO is reckoned; what chaos spent is remembered as long'),
  settle: duration({ minMs: 0, maxMs: hourMs }).default(60_000).describe('Time after a run until all that it spent shows in the expression'),
})

const template = z.strictObject({
  name: dnsLabel().max(22).describe('Names the experiment, with the policy; each once'),
  weight: z.number().positive().max(1_000).default(1).describe('How often it is chosen, against the other templates'),
  services: z.array(z.string().regex(/^[a-z0-9][-a-z0-9]*\/(?:[-a-z0-9.]+|\*)$/, 'a service as namespace/app, or namespace/*')).min(1).max(50).optional()
    .describe('Services that it is on, as namespace/app, where its targets do not say it'),
  experiment: z.record(z.string(), z.unknown()).describe('The keys of an Experiment, from description to hold, without apiVersion, kind and metadata'),
})

const document = z.strictObject({
  apiVersion: z.literal('faultline.dev/v1alpha1').describe('Version of this file format'),
  kind: z.literal('Policy').describe('What this document is'),
  metadata: z.strictObject({
    name: dnsLabel().max(40).describe('Names the policy, and with the template its experiments and runs'),
    namespace: dnsLabel().optional().describe('In a cluster, the namespace of the object'),
    labels: z.record(z.string().max(63), z.string().max(63)).optional().describe('Your own names and values; faultline only keeps them'),
    annotations: z.record(z.string().max(253), z.string().max(10_000)).optional().describe('Your own notes; faultline does not read them'),
  }).describe('What the policy is called'),
  description: z.string().max(2_000).optional().describe('What it is for'),
  scope: z.strictObject({
    namespaces: z.array(dnsLabel()).max(50).default([]).describe('Namespaces that its templates may name; each must have opted in, too'),
    nodes: z.boolean().default(false).describe('Whether they may name nodes'),
    processes: z.boolean().default(false).describe('Whether they may name processes of a machine'),
  }).describe('What the templates may touch at most'),
  rate: rate.optional().describe('Runs at random times (a Poisson process), the same ones for the same seed'),
  cron: z.string().max(100).optional().describe('Runs by a cron pattern of five fields, in place of a rate'),
  seed: z.int().min(0).max(2 ** 31 - 1).optional().describe('With cron: the same seed gives the same choices among templates'),
  timeZone: z.string().max(60).default('UTC').refine(IANAZone.isValidZone, 'a time zone such as Europe/Berlin').describe('Of windows, dates and cron'),
  windows: z.array(window).max(50).default([]).describe('When runs may go on; always, when there are none'),
  freezes: z.array(freeze).max(100).default([]).describe('Dates on which nothing runs; no run is made up for later'),
  cooldown: duration().default(0).describe('Time after the end of a run in which none begins'),
  concurrency: z.int().min(1).max(20).default(1).describe('Runs of this policy at a time; never two on one service'),
  wait: duration().default(hourMs).describe('How long a run waits that may not begin yet, because of cooldown, concurrency, or another run on its services'),
  pauseOn: z.array(z.enum(['failed', 'inconclusive'])).max(2).default(['failed']).describe('Verdicts after which the policy pauses until it is resumed'),
  prefer: z.enum(['nothing', 'coverage']).default('nothing').describe('coverage: templates whose services and kinds of fault are unknown or stale are chosen more often'),
  budgets: z.array(budget).max(20).default([]).describe('Error budgets that pace the policy; one that cannot be read stops it'),
  templates: z.array(template).min(1).max(50).describe('What is run'),
})
type Document = z.output<typeof document>
type Problem = (path: (string | number)[], message: string) => void

/** The whole file format. Parsing gives a `Policy`; the issues of a failed parse carry the path of each problem. */
export const policySchema = document.transform((written, context): Policy => {
  const problem: Problem = (path, message) => context.addIssue({ code: 'custom', path, message })
  const templates = written.templates.flatMap((_, index) => templateOf(written, index, problem) ?? [])
  const longestMs = Math.max(0, ...templates.map(({ lengthMs }) => lengthMs))
  checkTogether(written, longestMs, problem)
  return {
    name: written.metadata.name,
    timing: timingOf(written, longestMs),
    calendar: { timeZone: written.timeZone, windows: windowsOf(written), freezes: written.freezes.map(({ from, to, why }) => ({ from, to, why })) },
    cooldownMs: written.cooldown, concurrency: written.concurrency, waitMs: written.wait, pauseOn: written.pauseOn, prefersCoverage: written.prefer === 'coverage',
    budgets: written.budgets.map(({ period, settle, costPerRun, ...rest }) => ({ ...rest, costPerRunRatio: costPerRun, periodMs: period * 24 * hourMs, settleMs: settle })),
    templates,
  }
})

/** The policy file as JSON Schema (2020-12), for editors. */
export const policyJsonSchema: JsonSchema = {
  $id: 'https://faultline.dev/schemas/policy-v1alpha1.json',
  title: 'faultline policy',
  ...z.toJSONSchema(policySchema, { io: 'input' }),
}

export const policyFormat: DocumentFormat<Policy> = { article: 'a policy', noun: 'policy', schema: policySchema, jsonSchema: policyJsonSchema, nameOf: ({ name }) => name }

function checkTogether(written: Document, longestMs: number, problem: Problem): void {
  if (written.rate && written.cron !== undefined) problem(['cron'], 'no such key beside rate: a policy has one or the other')
  if (!written.rate && written.cron === undefined) problem([], 'a rate or a cron pattern')
  if (written.seed !== undefined && written.cron === undefined) problem(['seed'], 'no such key without cron; a rate has a seed of its own')
  if (written.cron !== undefined) checkCron(written.cron, written.timeZone, problem)
  const { shortestMs } = openWeek(windowsOf(written), longestMs)
  if (shortestMs <= longestMs) problem(['windows'], `windows of more than ${printDuration(longestMs)} each, which the longest template may take`)
  unique(written.templates, ({ name }) => name, (index, name) => problem(['templates', index, 'name'], `a name of its own; another template is called ${name} too`))
  unique(written.budgets, ({ slo }) => slo, (index, slo) => problem(['budgets', index, 'slo'], `a name of its own; another SLO is called ${slo} too`))
  for (const [index, { remaining }] of written.budgets.entries()) {
    const why = promqlProblem(remaining)
    if (why !== undefined) problem(['budgets', index, 'remaining'], why)
  }
}

function checkCron(pattern: string, timeZone: string, problem: Problem): void {
  try {
    if (!new Cron(pattern, { mode: '5-part', timezone: timeZone, paused: true }).nextRun()) problem(['cron'], 'a cron pattern that comes to pass')
  } catch {
    problem(['cron'], 'a cron pattern of five fields such as 0 9-17 * * 1-5')
  }
}

function unique<T>(items: readonly T[], nameOf: (item: T) => string, told: (index: number, name: string) => void): void {
  const names = items.map(nameOf)
  for (const [index, name] of names.entries()) if (names.indexOf(name) !== index) told(index, name)
}

/** Undefined when it is no experiment, or reaches beyond the scope; told to `problem`. */
function templateOf({ metadata, scope, templates }: Document, index: number, problem: Problem): Template | undefined {
  const written = templates[index]
  if (!written) return undefined
  const { name, weight, experiment: keys } = written
  const at = ['templates', index, 'experiment']
  for (const key of ['apiVersion', 'kind', 'metadata']) if (key in keys) problem([...at, key], 'no such key; the policy names its experiments')
  const experimentDocument = { ...keys, apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: `${metadata.name}-${name}`, labels: { 'faultline.dev/policy': metadata.name } } }
  const parsed = experimentSchema.safeParse(experimentDocument)
  for (const issue of parsed.error?.issues ?? []) {
    const path = issue.path.filter(step => typeof step !== 'symbol')
    problem([...at, ...path], issue.message)
  }
  if (!parsed.success) return undefined
  const experiment = parsed.data
  for (const [number, { target }] of experiment.faults.entries()) {
    const here = [...at, 'faults', number, 'target']
    const namespace = (target.pods ?? target.workload)?.namespace
    if (namespace !== undefined && !scope.namespaces.includes(namespace)) problem(here, `a namespace of the policy's scope: ${scope.namespaces.join(', ') || 'it names none'}`)
    if (target.nodes && !scope.nodes) problem(here, 'no nodes; the policy\'s scope has not nodes: true')
    if (target.process && !scope.processes) problem(here, 'no processes; the policy\'s scope has not processes: true')
  }
  const services = written.services?.map(serviceKey) ?? servicesOfExperiment(experiment)
  return { name, weight, experiment, document: experimentDocument, services, lengthMs: lengthOf(experiment) }
}

function serviceKey(text: string): ServiceKey {
  const [namespace = '', app = ''] = text.split('/')
  return { namespace, app }
}

const lengthOf = ({ load, steadyMs, holdMs, recovery }: Experiment): number => (load?.reachedWithinMs ?? 0) + steadyMs + holdMs + recovery.withinMs

const windowsOf = ({ windows }: Document): Window[] => windows.map(({ days, from, to }) => ({ days, fromMinute: from, toMinute: to }))

/**
 * A rate of 30 a day is 30 on a day on which a window opens, however long it is open: it is spread over the time in which a run can begin, which ends before
 * the window's close by the longest template. A freeze takes runs away, and nothing is made up for.
 */
function timingOf(written: Document, longestMs: number): Timing {
  const { metadata, rate: given, cron, seed = 1 } = written
  if (cron !== undefined || !given) return { by: 'cron', pattern: cron ?? '', seed: `${metadata.name}/${seed}` }
  const { days, beginnableMs } = openWeek(windowsOf(written), longestMs)
  const perWeek = given.per === 'day' ? given.mean * days : given.mean
  return { by: 'rate', perMs: given.per === 'hour' ? given.mean / hourMs : beginnableMs > 0 ? perWeek / beginnableMs : 0, seed: `${metadata.name}/${given.seed}` }
}

/** In words. */
export const printServices = ({ services }: Template): string => services.map(printServiceKey).join(', ') || 'none'
