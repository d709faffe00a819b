import { z } from 'zod'
import { blastRadius, type BlastRadius } from '#shared/blast-radius.ts'
import type { FaultSpec } from '#shared/fault.ts'
import { calibrationKey, type Calibration } from '#shared/experiment-calibration.ts'
import { probeItem, resolveProbe } from '#shared/experiment-probes.ts'
import { checkReconcile, reconcileKey, type ReconcileSpec, type Side } from '#shared/experiment-reconcile.ts'
import { alphaKey, checkSequential, countersTiming, resolveSequential, sequentialKeys, sequentialRule } from '#shared/experiment-sequential.ts'
import { bindRule, checkRange, checkSlos, readSlos, sloItem } from '#shared/experiment-slos.ts'
import type { Path } from '#shared/experiment-yaml.ts'
import { gateKinds } from '#shared/gate-kinds.ts'
import type { SequentialSpec } from '#shared/gate-sequential.ts'
import type { GateKind, GatePhase, GateRule, GateSource } from '#shared/gate.ts'
import type { ProbeSpec } from '#shared/probe.ts'
import { faultKinds } from '#shared/registry.ts'
import { dnsLabel, duration } from '#shared/units.ts'

/**
 * The experiment as faultline works with it: milliseconds, defaults filled in, faults and gates bound to their kinds' pure functions.
 * It is never sent: facts carry the document as it was written, and everybody parses it with the one schema below.
 */
export interface Experiment {
  name: string
  load?: LoadSpec
  faults: ExperimentFault[]
  /** Holds for each fault by itself. */
  blastRadius: BlastRadius
  gates: GateSpec[]
  probes: ProbeSpec[]
  /** Quiet time before the first fault, in which `steady` gates are judged: the earliest fault's `at`. Without faults, what their looks take. */
  steadyMs: number
  /** The `during` gates are judged from the first confirmed injection to the last fault's end, and at least this long. Without faults, this long. */
  holdMs: number
  recovery: { withinMs: number; stableMs: number }
  leaseMs: number
  /** What was measured of its gates with a limit. It decides nothing. */
  calibration?: Calibration
}

export interface LoadSpec {
  users: number
  spawnRate: number
  host: string
  locustfile?: string
  /** Of the locustfile's own arguments, by their names. */
  parameters: Readonly<Record<string, string | number | boolean>>
  /** The run is inconclusive when the users are not all there by then. */
  reachedWithinMs: number
}

/** `id`: position in the file, from 1, and kind, such as `1-pause`. */
export type ExperimentFault = FaultSpec & { id: string }

export interface GateSpec {
  name: string
  kind: string
  phase: GatePhase
  source: GateSource
  rule: GateRule
  /** Stream: length of a block. Prometheus: the range of the query, the longest of several. */
  windowMs: number
  /** In the during phase, looks begin so long after its start: no range reaches back to before it. */
  anchorMs?: number
  /** Prometheus only: time between two looks. A stream gate looks once a block. */
  intervalMs: number
  /** Looks in a row that must break the limit before the gate is breached. */
  consecutive: number
  /** No readable look for this long ends the run as inconclusive. */
  noDataAfterMs: number
  /** Stream only: a block with fewer requests (waiting ones included) is no data. */
  minRequests: number
  /** Of a gate with a `limit`: its blocks, and the evidence that it takes. The keys above that name looks then hold for the recovery alone. */
  sequential?: SequentialSpec
  /** Of a gate with a `limit` on the load stream: the gate on the service's own counters that sees the same requests, and how far they may differ. */
  reconcile?: ReconcileSpec
}

/** What /swarm of Locust's web API means by these names is said by keys of their own, or by the phases of the run. */
const swarmsOwn = ['user_count', 'spawn_rate', 'host', 'run_time', 'user_classes', 'shape_class', 'profile']

const parameterName = () => z.string().max(63).regex(/^[a-z][a-z0-9_]*$/, 'lower-case letters, digits and underscores, as in think_scale')
  .refine(name => !swarmsOwn.includes(name), `a name other than ${swarmsOwn.join(', ')}, which are Locust's own`)

const load = z.strictObject({
  users: z.int().min(1).max(100_000).describe('Concurrent Locust users'),
  spawnRate: z.number().min(0.1).max(10_000).optional().describe('Users started per second; all within ten seconds when left out'),
  host: z.url({ protocol: /^https?$/ }).describe('Base URL of the system under test'),
  locustfile: z.string().min(1).max(1_000).optional().describe('Path, relative to the experiment file; the jewelry shop\'s when left out'),
  parameters: z.record(parameterName(), z.union([z.string().max(1_000), z.number(), z.boolean()])).optional()
    .describe('The locustfile\'s own arguments for this run, such as think_scale of the jewelry shop\'s; those left out are as Locust was started with'),
  reachedWithin: duration({ minMs: 1_000 }).optional().describe('Time for all users to be there; 30 s more than the ramp when left out'),
})

const gateCommon = z.strictObject({
  name: dnsLabel().describe('Names the gate in the verdict; each once'),
  phase: z.enum(['steady', 'during', 'recovery']).default('during').describe('steady: before the fault; during: may abort; recovery: must hold again by the deadline'),
  source: z.enum(['stream', 'prometheus', 'probe']).optional().describe('stream: exact counts from Locust every 200 ms; prometheus: PromQL; probe: what probers saw (of gates that name a probe)'),
  window: duration({ minMs: 200 }).optional().describe('Stream: length of a block (default 1s). Prometheus: range of the query (default 5s)'),
  interval: duration({ minMs: 100 }).default(1_000).describe('Prometheus: time between two looks'),
  consecutive: z.int().min(1).max(1_000).optional().describe('Looks in a row that must break the limit (default: stream 3, prometheus 2)'),
  noDataAfter: duration({ minMs: 500 }).default(5_000).describe('Without a readable look for this long, the run is inconclusive; with a limit on counters not before three blocks'),
  minRequests: z.int().min(1).max(1_000_000).default(5).describe('Stream: a block with fewer requests is no data'),
  ...sequentialKeys,
  reconcile: reconcileKey.optional(),
})
type GateCommon = z.output<typeof gateCommon>

const keyOfEachKind = Object.fromEntries([...gateKinds.values()].map(kind => [kind.kind, kind.bound.optional().describe(kind.summary)]))
const gateItem = gateCommon
  // oxlint-disable-next-line typescript/no-unnecessary-type-assertion, typescript/no-generated-empty-object-type -- without it, keys that any text may have would replace the common ones in the type
  .extend(keyOfEachKind as Record<never, never>) // the kinds are known only when their folder has been read; `rulesIn` finds them again
  .superRefine((item, context) => {
    const given = rulesIn(item).map(({ kind }) => kind.kind)
    if (given.length === 1) return
    context.addIssue({ code: 'custom', message: `exactly one of ${[...gateKinds.keys()].join(', ')}; this gate has ${given.join(' and ') || 'none'}` })
  })
  .meta({ oneOf: [...gateKinds.keys()].map(kind => ({ required: [kind] })) }) // the same rule, for editors

const faultItems = [...faultKinds.values()].map(kind => kind.item)
type FaultItems = [typeof faultItems[number], ...typeof faultItems]

const document = z.strictObject({
  apiVersion: z.literal('faultline.dev/v1alpha1').describe('Version of this file format'),
  kind: z.literal('Experiment').describe('What this document is'),
  metadata: z.strictObject({
    name: dnsLabel().describe('Names the experiment in lists and in its results folder: lower-case letters, digits and dashes'),
    namespace: dnsLabel().optional().describe('In a cluster, the namespace of the object; it says nothing about the targets'),
    labels: z.record(z.string().max(63), z.string().max(63)).optional().describe('Your own names and values; faultline only keeps them'),
    annotations: z.record(z.string().max(253), z.string().max(10_000)).optional().describe('Your own notes; faultline does not read them'),
  }).describe('What the experiment is called'),
  description: z.string().max(2_000).optional().describe('What the experiment is to find out'),
  load: load.optional().describe('Load from Locust; left out, the gates judge the traffic that is there'),
  faults: z.array(z.discriminatedUnion('kind', faultItems as FaultItems)).max(50).describe('What is done to the system, and when; an empty list, with `hold`, tries it under load alone'),
  blastRadius: blastRadius.prefault({}).describe('How much of what a target names each fault may hit'),
  gates: z.array(gateItem).min(1).max(100).describe('What must hold; each names exactly one kind of limit'),
  probes: z.array(probeItem).max(20).optional().describe('Attempts at a steady rate from inside the cluster, beside load and PromQL; gates name them'),
  slos: z.array(sloItem).max(20).optional().describe('OpenSLO v1 documents, or files of them; gates name their SLOs'),
  hold: duration().optional().describe('Least time that during gates are judged after the first injection (default: to the end of the last fault, at least 10s); without faults, how long they are judged'),
  recovery: z.strictObject({
    within: duration({ minMs: 1_000 }).default(30_000).describe('Deadline after the last revert'),
    stable: duration({ minMs: 200 }).default(3_000).describe('The gates must hold this long without a break to count as recovered'),
  }).prefault({}).describe('What counts as recovered once the faults are gone'),
  alpha: alphaKey,
  calibration: calibrationKey.optional().describe('What faultline calibrate has measured of the gates with a limit, for the reports; it decides nothing'),
  lease: duration({ minMs: 1_000, maxMs: 600_000 }).default(3_000).describe('A fault that nobody renews ends after this time'),
})
type Document = z.output<typeof document>

/** The whole file format. Parsing gives an `Experiment`; the issues of a failed parse carry the path of each problem. */
export const experimentSchema = document.superRefine(checkTogether, { when: hasLists }).transform(resolve)

/** The rules between keys are checked beside problems elsewhere too, so that all are told in one go. */
function hasLists({ value }: { value: unknown }): boolean {
  return z.object({ faults: z.array(z.unknown()), gates: z.array(z.unknown()) }).safeParse(value).success
}

/** What one key alone cannot tell: rules between keys, each reported at the key to change. Parts that have an issue already are left alone. */
function checkTogether(experiment: Document, context: z.core.$RefinementCtx<Document>): void {
  const broken = context.issues.map(issue => issue.path ?? [])
  const isSound = (...path: (string | number)[]) => !broken.some(at => path.every((step, index) => at[index] === step))
  const told = new Set<string>() // two gates on one SLO find the same in it
  const problem = (path: Path, message: string) => {
    const key = JSON.stringify([path, message])
    if (!told.has(key)) context.addIssue({ code: 'custom', path: [...path], message })
    told.add(key)
  }
  const isFaultless = isSound('faults') && experiment.faults.length === 0
  if (isFaultless && experiment.hold === undefined && isSound('hold')) problem(['hold'], 'a time such as 3m: without faults nothing else says how long the gates are judged')
  if (isFaultless && isSound('gates') && experiment.gates.every(({ phase }) => phase === 'steady')) problem(['gates'], 'a gate with the phase during: without faults it is the hold that is judged')
  for (const [index, item] of (experiment.probes ?? []).entries()) {
    if (isSound('probes', index) && experiment.probes?.findIndex(({ name }) => name === item.name) !== index) problem(['probes', index, 'name'], `a name of its own; another probe is called ${item.name} too`)
  }
  const slos = isSound('slos') ? readSlos(experiment.slos) : undefined
  if (slos) checkSlos(experiment.slos, slos, context, problem)
  const sides = isSound('gates') ? sidesOf(experiment) : undefined
  const names = new Set<string>()
  for (const [index, item] of experiment.gates.entries()) {
    const at = ['gates', index]
    if (!isSound(...at)) continue
    if (names.has(item.name)) problem([...at, 'name'], `a name of its own; another gate is called ${item.name} too`)
    names.add(item.name)
    if (isFaultless && item.phase === 'recovery') problem([...at, 'phase'], 'steady or during: an experiment without faults has nothing to recover from')
    if (item.phase === 'steady' && isSound('faults') && firstAtMs(experiment) < 1_000) problem([...at, 'phase'], 'quiet time to judge in: no fault with an `at` under 1s')
    for (const { kind, rule: written } of rulesIn(item)) {
      const bound = slos ? bindRule(written, slos) : written.slo ? { problems: [] } : { rule: written }
      if ('problems' in bound) {
        for (const { where, expected } of bound.problems) problem('path' in where ? where.path : [...at, kind.kind, where.key], expected)
        continue
      }
      const { rule } = bound
      const source = sourceOf(item, kind, rule, experiment)
      if (item.reconcile && sides) checkReconcile(item.reconcile, { name: item.name, limit: item.limit, source, rule }, sides, (path, message) => problem([...at, ...path], message))
      if (isSound('hold') && isSound('faults')) checkRange(item, kind.kind, rule, holdMs(experiment), (path, message) => problem([...at, ...path], message))
      if (rule.probe) {
        checkProbeGate(item, [...at, kind.kind], rule.probe.name, experiment, problem)
        continue
      }
      if (isSound('alpha') && isSound('hold') && isSound('faults')) checkSequential(item, kind, rule, source, { alpha: experiment.alpha, phaseMs: holdMs(experiment) }, (path, message) => problem([...at, ...path], message))
      if (!kind.sources.includes(source)) problem([...at, 'source'], `${kind.sources.join(' or ')} for a ${kind.kind} gate`)
      else if (!experiment.load && source === 'stream') problem([...at, 'source'], 'prometheus; an experiment without load has no samples to stream')
      else if (!experiment.load && rule.readsLoadMetrics) problem([...at, kind.kind], 'the names of the service\'s own metrics; an experiment without load has none of its own')
    }
  }
}

/** What each gate counts, and from where. */
function sidesOf(experiment: Document): Side[] {
  return experiment.gates.flatMap(item => rulesIn(item).map(({ kind, rule }) => ({ name: item.name, limit: item.limit, source: sourceOf(item, kind, rule, experiment), rule })))
}

/** A gate on a probe is judged from the whole run at its end: it has no windows, no looks, and no other phase. */
function checkProbeGate(item: GateCommon, at: (string | number)[], name: string, { probes = [] }: Document, problem: (path: (string | number)[], message: string) => void): void {
  const gate = at.slice(0, -1)
  const known = probes.map(probe => probe.name)
  if (item.source !== undefined && item.source !== 'probe') problem([...gate, 'source'], 'probe; this gate names one')
  if (item.phase !== 'during') problem([...gate, 'phase'], 'during; a gate on a probe is judged from the whole run')
  for (const key of ['window', 'consecutive'] as const) if (item[key] !== undefined) problem([...gate, key], 'no such key; a gate on a probe is judged once, at the end of the run')
  if (!known.includes(name)) problem([...at, 'probe'], known.length === 0 ? 'the name of a probe; the experiment has no probes' : `the name of a probe: ${known.join(', ')}`)
}

function resolve(from: Document): Experiment {
  const common = { alpha: from.alpha, rateGates: from.gates.filter(({ limit }) => limit === 'rate').length, phaseMs: holdMs(from) }
  const slos = readSlos(from.slos)
  const gates = from.gates.flatMap(item => rulesIn(item).flatMap(({ kind, rule: written }) => {
    const bound = bindRule(written, slos)
    if ('problems' in bound) return [] // told by checkTogether
    const { rule } = bound
    const gate = resolveGate(item, sourceOf(item, kind, rule, from), kind, rule)
    const sequential = resolveSequential(item, rule, common)
    return sequential ? { ...gate, ...countersTiming(sequential, gate), sequential, rule: sequentialRule(sequential, rule) } : gate
  }))
  const isFaultless = from.faults.length === 0
  return {
    name: from.metadata.name,
    ...(from.load && { load: resolveLoad(from.load) }),
    faults: from.faults.map((fault, index) => ({ ...fault, id: `${index + 1}-${fault.kind}` })),
    blastRadius: from.blastRadius,
    gates,
    probes: (from.probes ?? []).flatMap(resolveProbe),
    steadyMs: isFaultless ? Math.max(0, ...gates.filter(({ phase }) => phase === 'steady').map(looksMs)) : firstAtMs(from),
    holdMs: holdMs(from),
    recovery: { withinMs: from.recovery.within, stableMs: from.recovery.stable },
    leaseMs: from.lease,
    ...(from.calibration && { calibration: from.calibration }),
  }
}

function holdMs(from: Document): number {
  if (from.faults.length === 0) return from.hold ?? 0
  const lastEndMs = Math.max(...from.faults.map(fault => fault.atMs + (fault.durationMs ?? 0)))
  return Math.max(from.hold ?? 10_000, lastEndMs - firstAtMs(from))
}

function resolveLoad({ users, spawnRate = users / 10, host, locustfile, parameters = {}, reachedWithin }: z.output<typeof load>): LoadSpec {
  const rampMs = Math.ceil(users / spawnRate) * 1_000
  return { users, spawnRate, host, parameters, ...(locustfile !== undefined && { locustfile }), reachedWithinMs: reachedWithin ?? rampMs + 30_000 }
}

function resolveGate(item: GateCommon, source: GateSource, kind: GateKind, rule: GateRule): GateSpec {
  return {
    name: item.name,
    kind: kind.kind,
    phase: item.phase,
    source,
    rule,
    windowMs: rule.range?.longestMs ?? item.window ?? (source === 'stream' ? 1_000 : 5_000),
    ...(rule.range?.isAnchored && item.phase === 'during' && { anchorMs: rule.range.longestMs }),
    intervalMs: item.interval,
    consecutive: item.consecutive ?? (source === 'stream' ? 3 : 2),
    noDataAfterMs: item.noDataAfter,
    minRequests: item.minRequests,
    ...(item.reconcile && { reconcile: item.reconcile }),
  }
}

/** Time for as many looks as it takes to hold. */
const looksMs = ({ source, windowMs, intervalMs, consecutive }: GateSpec) => consecutive * (source === 'stream' ? windowMs : intervalMs)

/** Infinity without faults. */
const firstAtMs = (experiment: Document) => Math.min(...experiment.faults.map(fault => fault.atMs))

/** The kinds whose key a gate carries, with the rule that the key's schema has bound. */
function rulesIn(item: GateCommon): { kind: GateKind; rule: GateRule }[] {
  const byKey = new Map<string, unknown>(Object.entries(item))
  return [...gateKinds.values()].flatMap(kind => {
    const rule = byKey.get(kind.kind)
    return rule === undefined ? [] : [{ kind, rule: rule as GateRule }] // what `kind.bound` has put there
  })
}

/** A gate that names the service's own metrics can be read from nowhere else. */
function sourceOf(item: GateCommon, kind: GateKind, rule: GateRule, experiment: Pick<Document, 'load'>): GateSource {
  if (rule.probe) return 'probe'
  return item.source ?? (experiment.load && rule.readsLoadMetrics ? kind.sources[0] : 'prometheus')
}
