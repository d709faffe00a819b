import type { KubeConfig } from '@kubernetes/client-node'
import { z } from 'zod'
import { dnsLabel, duration } from '#shared/units.ts'
import type { StepVerdict } from '#shared/campaign-core.ts'
import type { Findings } from './findings.ts'

/** One thing that the campaign demands, in the words of the reports. Not measured is not met. */
export interface Bar { name: string; required: string; measured: string; met: boolean }

export interface StepResult {
  verdict: StepVerdict
  /** One line: what was seen. */
  why: string
  bars: Bar[]
}

/** What the campaign was told on the command line. */
export interface CampaignSettings {
  /** Where faultline is, or is to be, installed. */
  namespace: string
  /** Where images are, and their tag; left out: loaded onto the nodes, `dev`. */
  registry?: string
  version?: string
  /** The API server's audit log, a file of this machine. */
  auditLog?: string
}

export interface StepContext {
  step: string
  /** Aborts when the step is to end: it reverts what it holds, and says what it has seen. */
  signal: AbortSignal
  say(doing: string): void
  /** Paths in the campaign's file are relative to this. */
  campaignFolder: string
  /** The campaign's results. */
  resultsFolder: string
  kubeConfig: KubeConfig
  /** Writes the campaign's reports as it stands. */
  writeReports(): Promise<void>
  /** Resolves when another step is over, however it ended; at once when there is none of that name. */
  ended(step: string): Promise<void>
  settings: CampaignSettings
  /** What the steps before have found; this one adds to it. */
  findings: Findings
}

/** A step's own part of the file, checked. Pure but for `run`. */
export interface BoundStep {
  timeoutMs: number
  /** Steps that it looks at, besides those that it needs. */
  refersTo: string[]
  /** Experiment files that it reads, as written. */
  experimentFiles: string[]
  /** The same with some parameters as a profile has them. */
  withProfile(override: unknown): { bound: BoundStep } | { issues: z.core.$ZodIssue[] }
  run(context: StepContext): Promise<StepResult>
}

/** One kind of step: one file in `steps/`, which names all of it. */
export interface StepKind {
  kind: string
  /** One line for the list of kinds. */
  summary: string
  /** What it does, what makes it fail, what it leaves: Markdown. */
  documentation: string
  /** Where the file names none. */
  timeoutMs: number
  /** Its own keys; `commonKeys` has those of every step. */
  parameters: z.ZodObject
  /** A whole item of a campaign's `steps`. */
  item: z.ZodType<WrittenStep> & z.core.$ZodTypeDiscriminable
}

/** An item of `steps`, as parsing gives it. */
export interface WrittenStep {
  kind: string
  name: string
  needs: string[]
  always: boolean
  onFailure: 'stop' | 'continue'
  bound: BoundStep
}

const timeout = duration({ minMs: 1_000 })

/** Of every step, whatever its kind. */
export const commonKeys = {
  name: dnsLabel().describe('Names the step in the report; each once'),
  needs: z.array(dnsLabel()).max(50).default([]).describe('Steps before it that must have passed; else it is skipped'),
  always: z.boolean().default(false).describe('Done at its place whatever happened before, and after an abort too'),
  onFailure: z.enum(['stop', 'continue']).default('stop').describe('What a step that does not pass means for those after it; stop spares those that are always done'),
  timeout: timeout.optional().describe('The step is cancelled after this time, and has not passed'),
}

interface StepDefinition<P extends z.ZodObject> {
  kind: string
  summary: string
  documentation: string
  /** Where the file names none. */
  timeoutMs: number
  parameters: P
  refersTo?(parameters: z.output<P>): string[]
  experimentFiles?(parameters: z.output<P>): string[]
  run(parameters: z.output<P>, context: StepContext): Promise<StepResult>
}

/** Ties a parameter schema to what is done, so that `run` takes checked parameters and nobody casts. */
export function defineStep<P extends z.ZodObject>(definition: StepDefinition<P>): StepKind {
  const { kind, summary, documentation, timeoutMs: usualMs, parameters } = definition
  const item = z.strictObject({ kind: z.literal(kind).describe(summary), ...commonKeys, ...parameters.shape }).transform((written): WrittenStep => {
    const { name, needs, always, onFailure, timeout: timeoutMs, kind: _kind, ...rest } = written as Common & z.output<P> // the two shapes that the item is made of
    // oxlint-disable-next-line typescript/no-unnecessary-type-assertion -- what is left is the kind's own
    return { kind, name, needs, always, onFailure, bound: bind(definition, rest as unknown as z.output<P>, timeoutMs ?? usualMs) }
  })
  return { kind, summary, documentation, timeoutMs: usualMs, parameters, item }
}

type Common = z.output<z.ZodObject<typeof commonKeys>> & { kind: string }

function bind<P extends z.ZodObject>(definition: StepDefinition<P>, parameters: z.output<P>, timeoutMs: number): BoundStep {
  return {
    timeoutMs,
    refersTo: definition.refersTo?.(parameters) ?? [],
    experimentFiles: definition.experimentFiles?.(parameters) ?? [],
    withProfile(override) {
      const parsed = definition.parameters.extend({ timeout }).partial().safeParse(override)
      if (!parsed.success) return { issues: parsed.error.issues }
      const given = new Set(Object.keys(z.record(z.string(), z.unknown()).parse(override))) // an optional key with a default is filled in
      const { timeout: newTimeoutMs = timeoutMs, ...changed } = Object.fromEntries(Object.entries(parsed.data).filter(([key]) => given.has(key))) as { timeout?: number }
      return { bound: bind(definition, { ...parameters, ...changed }, newTimeoutMs) }
    },
    run: context => definition.run(parameters, context),
  }
}
