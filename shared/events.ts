import { z } from 'zod'
import { epochMs } from '#shared/epoch-ms.ts'
import { epochSchema } from '#shared/epoch.ts'
import { boundTargetSchema } from '#shared/target.ts'
import { testedServiceSchema } from '#shared/tested-service.ts'
import { isUnicode } from '#shared/unicode.ts'

/**
 * Every event of faultline. *Facts* are CloudEvents 1.0 on a JetStream stream, published with an ack: all state is a fold over them.
 * *Commands* are NATS requests with a deadline, a run epoch and a signature. *Signals* are core NATS messages that may be lost:
 * something repeats them, and nothing is decided by their absence except that a lease is not renewed.
 *
 * `k8s/` permissions, the wire tap of the tests and the catalogue in EVENTS.md are generated from this file.
 */

export type Service = 'scheduler' | 'injector' | 'locust-bridge' | 'slo-evaluator' | 'prober'
export type Reader = Service | 'cli'

const count = () => z.int().nonnegative()
const clock = z.string().describe('Which clock dated it (clock.ts); dates of two clocks are never subtracted')
/** Response times or ages in whole milliseconds, and how many requests had each. */
const counts = z.record(z.string().regex(/^\d{1,9}$/), z.int().positive())

export const runPhase = z.enum(['load', 'steady', 'inject', 'hold', 'revert', 'recover', 'end', 'verify'])
export type RunPhase = z.output<typeof runPhase>

/** Why a run left its path before its end. Only `gate` makes it failed; all others make it inconclusive. */
export const abortCause = z.enum(['gate', 'unreadable', 'steady', 'user', 'lease', 'load', 'refused', 'unconfirmed', 'infrastructure'])
export type AbortCause = z.output<typeof abortCause>

const gateStatus = z.enum(['pending', 'holding', 'breaking', 'no-data', 'breached', 'unreadable', 'met', 'missed'])
export type GateStatus = z.output<typeof gateStatus>

export const gateVerdict = z.enum(['passed', 'failed', 'inconclusive'])
export type GateVerdict = z.output<typeof gateVerdict>

/** Of a gate with several ranges: what each one's value was. */
const over = z.array(z.strictObject({ windowMs: z.number().positive(), value: z.number() })).optional()

/** Of a gate with a control: that one's requests. */
const control = z.strictObject({ bad: z.number().nonnegative(), total: z.number().nonnegative() }).optional()

const measurement = z.discriminatedUnion('is', [
  z.strictObject({ is: z.literal('measured'), value: z.number(), breaks: z.boolean(), bad: z.number().optional(), total: z.number().optional(), control, over }),
  z.strictObject({ is: z.literal('no-data'), why: z.string() }),
])

/** Prometheus's own, in its words. */
const warnings = z.array(z.string()).optional()
/** Raw samples of one counter, by Prometheus's clock; what the parts are is in counter-series.ts. */
const counterSeries = z.strictObject({
  part: z.enum(['total', 'bad', 'fast', 'surely-fast', 'maybe-fast']), series: z.string(), target: z.string(), samples: z.array(z.tuple([epochMs(), z.number().nonnegative()])),
})

/** What Prometheus has of one arm of a gate on counters. */
const foundCounters = { series: z.array(counterSeries), scrapeIntervalMs: z.number().positive().optional(), gap: z.string().optional(), warnings }

/** One look of a gate as the evaluator took it. */
const look = z.strictObject({
  gate: z.string(), phase: z.enum(['steady', 'during', 'recovery']),
  startMs: epochMs().describe('begin of what it looked at, by the clock of the load, or of Prometheus'), endMs: epochMs(),
  measurement,
  /** Of a gate with a `limit`: requests of the phase so far, and with a rate what the evidence against it has come to. */
  bad: z.number().nonnegative().optional(), total: z.number().nonnegative().optional(), control, eValue: z.number().nonnegative().optional(),
})
export type RecordedLook = z.output<typeof look>

/** So many looks are told in one fact at most: even with a long reason each they are less than half of what NATS takes in one message. */
export const mostLooksInFact = 500
/** For the record alone: nothing is decided by them, since the verdict folds the samples and answers that they were made of. */
const recorded = {
  looks: z.array(look).max(mostLooksInFact).optional().describe('looks taken since the evaluator last told of any, in their order'),
  clock: clock.optional(),
}

/** What the verdict stands on, and who says so (decision-record.ts). SHA-256 is in hex, the signature in base64. */
const decisionRecord = z.strictObject({
  experimentHash: z.string().describe('of the experiment as the evaluator checked it'),
  facts: count().describe('how many facts the chain links, up to and with run.sealed'),
  chain: z.string().regex(/^[0-9a-f]{64}$/),
  key: z.string().describe('nkeys public key (Ed25519)'),
  signature: z.string(),
})
export type DecisionRecord = z.output<typeof decisionRecord>

/** Streams of JetStream, and how long each keeps what is in it. The audit is apart: it is kept for longer, and of the services only the scheduler may read it. */
export const factStreams = {
  runs: { name: 'FAULTLINE', subjects: 'faultline.fact', maxAgeMs: 7 * 24 * 3_600_000 },
  audit: { name: 'FAULTLINE_AUDIT', subjects: 'faultline.audit', maxAgeMs: 90 * 24 * 3_600_000 },
} as const
export type FactStream = keyof typeof factStreams

/** `stream`: `runs` when left out. */
interface FactDefinition { producer: Service; readers: Reader[]; doc: string; data: z.ZodType; stream?: FactStream }

const defineFacts = <T extends Record<string, FactDefinition>>(facts: T): T => facts

export const facts = defineFacts({
  'run.submitted': {
    producer: 'scheduler',
    readers: ['scheduler', 'slo-evaluator', 'locust-bridge', 'prober', 'cli'],
    doc: 'An experiment was accepted. It is carried as it was written; everybody parses it with the one schema.',
    data: z.strictObject({
      experiment: z.unknown(),
      /** SHA-256 of the canonical JSON of `experiment`, hex. */
      experimentHash: z.string(),
      file: z.string().optional(),
      /** What the submitter says is tested, where nobody can find out. */
      services: z.array(testedServiceSchema).max(100).optional(),
      epoch: epochSchema,
    }),
  },
  'run.phase': {
    producer: 'scheduler',
    readers: ['scheduler', 'slo-evaluator', 'prober', 'cli'],
    doc: 'The run entered a phase: load, steady, inject, hold, revert, recover, and with probes verify: their ledgers are held against what is there.',
    data: z.strictObject({ phase: runPhase, atMs: epochMs() }),
  },
  'run.aborting': {
    producer: 'scheduler',
    readers: ['scheduler', 'slo-evaluator', 'cli'],
    doc: 'The run leaves its path: heartbeats have stopped, and the abort is being broadcast until all agents have acknowledged.',
    data: z.strictObject({ cause: abortCause, detail: z.string(), gate: z.string().optional(), atMs: epochMs(), clock }),
  },
  'run.sealed': {
    producer: 'scheduler',
    readers: ['scheduler', 'slo-evaluator', 'locust-bridge', 'prober', 'cli'],
    doc: 'Nothing after this fact counts for the verdict.',
    data: z.strictObject({ atMs: epochMs() }),
  },
  'run.services': {
    producer: 'scheduler',
    readers: ['scheduler', 'cli'],
    doc: 'Which services were there, in which versions, as the run began (`steady`) and once it was sealed. For coverage and release checks; it decides nothing.',
    data: z.strictObject({
      when: z.enum(['begin', 'end']), services: z.array(testedServiceSchema),
      declared: z.literal(true).optional().describe('by whoever submitted the run, since nobody can find out'),
      unknown: z.string().optional().describe('why it could not be found out'), atMs: epochMs(),
    }),
  },
  'run.judged': {
    producer: 'slo-evaluator',
    readers: ['scheduler', 'cli'],
    doc: 'The verdict: a pure function of the facts up to run.sealed (shared/verdict.ts). Written once: the stream takes no second one. `record`: signed, with the chain of those facts (shared/decision-record.ts).',
    data: z.strictObject({ verdict: gateVerdict, reasons: z.array(z.string()), revertUnconfirmed: z.boolean(), record: decisionRecord.optional() }),
  },
  'halt.set': {
    producer: 'scheduler',
    readers: ['scheduler', 'prober'],
    doc: 'Everything is stopped: the runs under way are aborted, and new ones refused, until halt.released. Its subject is `halt`, in place of a run.',
    data: z.strictObject({ by: z.string(), why: z.string(), atMs: epochMs() }),
  },
  'halt.released': {
    producer: 'scheduler',
    readers: ['scheduler', 'prober'],
    doc: 'Runs are taken again.',
    data: z.strictObject({ by: z.string(), atMs: epochMs() }),
  },
  'fault.ordered': {
    producer: 'scheduler',
    readers: ['scheduler', 'slo-evaluator', 'cli'],
    doc: 'These agents, named by their nodes, are about to be told to do the fault, each to its own targets: it is whole when all who were ever told have confirmed it. What joins a fault later is in none.',
    data: z.strictObject({ fault: z.string(), kind: z.string(), nodes: z.array(z.string()).min(1), epoch: epochSchema, atMs: epochMs() }),
  },
  'fault.injected': {
    producer: 'injector',
    readers: ['scheduler', 'slo-evaluator', 'cli'],
    doc: 'The fault is there: its effect was read back from the kernel. `verified: false`: it was done, but not seen.',
    data: z.strictObject({
      fault: z.string(), kind: z.string(), node: z.string(), targets: z.array(boundTargetSchema).min(1),
      /** Addresses of the other side, of a fault that has one. */
      peers: z.array(z.string()).optional(),
      verified: z.boolean(), readBack: z.array(z.string()),
      requestedAtMs: epochMs(), injectedAtMs: epochMs(), clock,
    }),
  },
  'fault.reverted': {
    producer: 'injector',
    readers: ['scheduler', 'slo-evaluator', 'cli'],
    doc: 'The fault is gone: read back. `verified: false`: it could not be confirmed; the targets are quarantined until a later one says true.',
    data: z.strictObject({
      fault: z.string(), kind: z.string(), node: z.string(), targets: z.array(boundTargetSchema).min(1),
      cause: z.enum(['duration', 'command', 'abort', 'halt', 'lease', 'restart', 'instant']),
      verified: z.boolean(), readBack: z.array(z.string()), revertedAtMs: epochMs(), clock,
    }),
  },
  'fault.refused': {
    producer: 'injector',
    readers: ['scheduler', 'slo-evaluator', 'cli'],
    doc: 'The fault was not injected: nothing was changed, or what had been done to the first of several targets is undone.',
    data: z.strictObject({ fault: z.string(), kind: z.string(), node: z.string(), why: z.string() }),
  },
  'fault.lapsed': {
    producer: 'injector',
    readers: ['scheduler', 'slo-evaluator', 'cli'],
    doc: 'The lease ran out because nobody renewed it. The fault.reverted follows.',
    data: z.strictObject({ fault: z.string(), kind: z.string(), node: z.string(), atMs: epochMs() }),
  },
  'load.state': {
    producer: 'locust-bridge',
    readers: ['scheduler', 'slo-evaluator', 'locust-bridge', 'cli'],
    doc: 'What the load generator is doing. `failed`: it fell over or never reached its users; the run is inconclusive.',
    data: z.strictObject({
      state: z.enum(['starting', 'ramping', 'reached', 'stopping', 'stopped', 'failed']),
      users: count(), targetUsers: count(), detail: z.string().optional(), atMs: epochMs(),
    }),
  },
  'load.stats': {
    producer: 'locust-bridge',
    readers: ['cli'],
    doc: 'Locust\'s own statistics of the whole load, as its web API gave them after its stop: locust-stats.json of the report.',
    data: z.strictObject({ stats: z.record(z.string(), z.unknown()), atMs: epochMs() }),
  },
  'load.sample': {
    producer: 'locust-bridge',
    readers: ['slo-evaluator', 'cli'],
    doc: 'Exact request counts of one Locust worker over about 200 ms, and what was in flight at its end.',
    data: z.strictObject({
      worker: z.string(), index: count(), startMs: epochMs(), endMs: epochMs(), users: count(),
      ok: counts, failed: counts, inFlight: counts, inFlightTotal: count(),
      unanswered: counts.optional().describe('of the failed ones, those without any answer: refused, reset, timed out; left out: none is known'),
      lateMs: z.number().nonnegative(), dropped: count(), clock,
    }),
  },
  'gate.status': {
    producer: 'slo-evaluator',
    readers: ['scheduler', 'cli'],
    doc: 'A gate\'s status changed. `breached` and `unreadable` abort; `met` and `missed` end the recovery.',
    data: z.strictObject({
      gate: z.string(), phase: z.enum(['steady', 'during', 'recovery']), status: gateStatus,
      /** End of the look that changed it: the end of its block, or the evaluation time of its query. */
      lookEndMs: epochMs(), measurement: measurement.optional(), evidence: z.string(), atMs: epochMs(), ...recorded,
    }),
  },
  'gate.closed': {
    producer: 'slo-evaluator',
    readers: ['scheduler', 'slo-evaluator'],
    doc: 'Every look of the during phase has been taken or given up, late answers included: the run may be sealed without losing one.',
    data: z.strictObject({ phase: z.literal('during'), atMs: epochMs(), ...recorded }),
  },
  'slo.answer': {
    producer: 'slo-evaluator',
    readers: ['slo-evaluator', 'cli'],
    doc: 'What Prometheus answered to one look of a gate. The verdict folds these, never Prometheus itself.',
    data: z.strictObject({
      gate: z.string(), query: z.string(), evaluatedAtMs: epochMs(), askedAtMs: epochMs(), answeredAtMs: epochMs(), clock: clock.optional(),
      counted: z.literal(true).optional().describe('the raw samples of the gate\'s counters were asked for, not a value'),
      answer: z.discriminatedUnion('is', [
        z.strictObject({ is: z.literal('value'), value: z.number(), over, warnings }),
        z.strictObject({ is: z.literal('counters'), ...foundCounters, control: z.strictObject(foundCounters).optional().describe('the same of the gate\'s control'), warnings }),
        z.strictObject({ is: z.literal('no-data'), why: z.string(), warnings }),
      ]),
    }),
  },
  'slo.tick': {
    producer: 'slo-evaluator',
    readers: ['slo-evaluator', 'cli'],
    doc: 'Time as the evaluator saw it: closes blocks in which no sample came. Tells also of the looks that it has taken.',
    data: z.strictObject({ atMs: epochMs(), ...recorded }),
  },
  'slo.history': {
    producer: 'slo-evaluator',
    readers: ['cli'],
    doc: 'A PromQL gate\'s expression over the whole run at a fine step, asked after the run: dates its breach independently of the looks.',
    data: z.strictObject({ gate: z.string(), query: z.string(), stepMs: z.number().positive(), points: z.array(z.tuple([epochMs(), z.number()])) }),
  },
  'probe.opened': {
    producer: 'prober',
    readers: ['scheduler', 'slo-evaluator', 'cli'],
    doc: 'A prober has begun with the probes of a run. One that is started again in mid-run begins anew, with an empty ledger.',
    data: z.strictObject({ node: z.string(), probes: z.array(z.string()), atMs: epochMs(), clock }),
  },
  'probe.refused': {
    producer: 'prober',
    readers: ['scheduler', 'slo-evaluator', 'cli'],
    doc: 'A probe cannot be made at all, such as one whose endpoint nobody has set.',
    data: z.strictObject({ node: z.string(), probe: z.string(), why: z.string(), atMs: epochMs() }),
  },
  'probe.state': {
    producer: 'prober',
    readers: ['scheduler', 'cli'],
    doc: 'A probe began to fail (`down`), or has not failed for a second (`up`). For people, and for the start of the faults; the verdict reads the samples.',
    data: z.strictObject({ node: z.string(), probe: z.string(), state: z.enum(['up', 'down']), why: z.string().optional(), atMs: epochMs(), clock }),
  },
  'probe.samples': {
    producer: 'prober',
    readers: ['slo-evaluator', 'cli'],
    doc: 'Every attempt of one probe over about a second, when all of them have ended: start, milliseconds taken, outcome. `unconfirmed`: taken, but not seen on a replica in time; it counts as failed.',
    data: z.strictObject({
      node: z.string(), probe: z.string(),
      slots: z.array(z.tuple([epochMs(), z.number().nonnegative(), z.enum(['ok', 'failed', 'unconfirmed'])])).min(1),
      errors: z.record(z.string(), z.int().positive()).describe('what the failed ones said, and how many'),
      clock,
    }),
  },
  'probe.ledger': {
    producer: 'prober',
    readers: ['slo-evaluator', 'cli'],
    doc: 'What one prober wrote by one probe, and what of it was there after the recovery. `unread`: acknowledged, and could not be looked for.',
    data: z.strictObject({
      node: z.string(), probe: z.string(),
      attempted: count(), acknowledged: count(), missing: count(), unread: count(),
      unconfirmed: count(), unconfirmedMissing: count(),
      oldestMissingAtMs: epochMs().optional(), newestMissingAtMs: epochMs().optional(),
      missingIds: z.array(z.string()).max(20).describe('the first of them'),
      atMs: epochMs(), clock,
    }),
  },
  'probe.closed': {
    producer: 'prober',
    readers: ['scheduler', 'slo-evaluator', 'cli'],
    doc: 'A prober is done with the run: its samples and ledgers are stored, and what it wrote into the system is gone again.',
    data: z.strictObject({ node: z.string(), atMs: epochMs() }),
  },
  'policy.set': {
    producer: 'scheduler',
    readers: ['scheduler'],
    doc: 'A policy of continuous chaos is in force, or in force anew. Its subject is `policy-<name>`. It is carried as it was written. Written again each day, with `kept`: the stream forgets before a policy does.',
    data: z.strictObject({
      policy: z.unknown(), by: z.string(), atMs: epochMs(),
      kept: z.strictObject({
        cursorMs: epochMs(), lastEndMs: epochMs().optional(),
        paused: z.strictObject({ why: z.string(), run: z.string().optional(), atMs: epochMs() }).optional(),
        runs: z.record(z.string(), z.strictObject({ template: z.string(), atMs: epochMs(), remaining: z.record(z.string(), z.number()), hasPaused: z.literal(true).optional() })),
        spendings: z.array(z.strictObject({ slo: z.string(), dayMs: epochMs(), ratio: z.number(), largestRatio: z.number() })),
      }).optional(),
    }),
  },
  'policy.removed': { producer: 'scheduler', readers: ['scheduler'], doc: 'The policy is no more. Its runs under way go on to their end.', data: z.strictObject({ by: z.string(), atMs: epochMs() }) },
  'policy.ticked': {
    producer: 'scheduler',
    readers: ['scheduler'],
    doc: 'A tick of the policy\'s plan was decided: a run was begun, or none, and why not. `remaining`: of each SLO\'s error budget at that time.',
    data: z.strictObject({
      atMs: epochMs().describe('as planned'), decidedAtMs: epochMs(), template: z.string(), experiment: z.string(),
      outcome: z.enum(['run', 'skipped']), run: z.string().optional(), reason: z.string().optional(), why: z.string().optional(), remaining: z.record(z.string(), z.number()).optional(),
    }),
  },
  'policy.missed': { producer: 'scheduler', readers: ['scheduler'], doc: 'Ticks that were due while nobody was there to decide them. They are not made up for.', data: z.strictObject({ fromMs: epochMs(), toMs: epochMs(), count: count() }) },
  'policy.settled': {
    producer: 'scheduler',
    readers: ['scheduler'],
    doc: 'A run of the policy is over, and what it spent of each SLO\'s error budget is reckoned: measured, or, where that was not possible, what a run may spend at most.',
    data: z.strictObject({
      run: z.string(), verdict: gateVerdict, endedAtMs: epochMs(), atMs: epochMs(),
      spent: z.array(z.strictObject({ slo: z.string(), ratio: z.number().nonnegative(), measured: z.boolean() })),
    }),
  },
  'policy.paused': { producer: 'scheduler', readers: ['scheduler'], doc: 'The policy begins no run until it is resumed.', data: z.strictObject({ why: z.string(), run: z.string().optional(), atMs: epochMs() }) },
  'policy.resumed': { producer: 'scheduler', readers: ['scheduler'], doc: 'The policy goes on.', data: z.strictObject({ by: z.string(), atMs: epochMs() }) },
  'audit.request': {
    producer: 'scheduler',
    readers: ['scheduler'],
    stream: 'audit',
    doc: 'Somebody asked the scheduler for a change over HTTP, or for what the token\'s role may not. Its subject is `audit`. What begins or lets go something is stored before it is done; an abort or a halt waits for nothing.',
    data: z.strictObject({
      who: z.string().describe('Name of the token; the token itself is nowhere'), role: z.string(),
      address: z.string().describe('Where the connection came from'),
      passedOnFor: z.string().optional().describe('Where it came from to the scheduler on standby that passed it on, by its own word'),
      request: z.string().describe('Method and route, as the table of routes has them'), about: z.string().optional().describe('The run, the policy, or why it was halted'),
      outcome: z.enum(['allowed', 'refused']), why: z.string().optional(), atMs: epochMs(),
    }),
  },
  'audit.halt': {
    producer: 'scheduler',
    readers: ['scheduler'],
    stream: 'audit',
    doc: 'A halt by a file or a ConfigMap was found, or is gone again. It asks nobody, so it is stored by whoever leads when it hears of it, once for each who has seen it. Its subject is `audit`.',
    data: z.strictObject({
      where: z.string().describe('The file or the ConfigMap'), seenBy: z.string().describe('The node of the agent that has seen it, or `the scheduler`'),
      is: z.enum(['found', 'gone']), why: z.string(), sinceMs: epochMs().describe('Date of the file or the ConfigMap'), atMs: epochMs().describe('By the clock of who has seen it'),
    }),
  },
})

export type FactType = keyof typeof facts
export type FactData<T extends FactType> = z.output<(typeof facts)[T]['data']>

/** CloudEvents 1.0 (JSON format), with the extensions `sequence` (its `sequence` extension) and `traceparent` (distributed tracing). */
export interface Fact<T extends FactType = FactType> {
  specversion: '1.0'
  /** Unique with `source`; also the Nats-Msg-Id, so that a retry is stored once. */
  id: string
  /** `/faultline/<service>/<instance>`: an instance is one start of one process. */
  source: string
  type: `dev.faultline.${T}`
  /** The run. */
  subject: string
  time: string
  datacontenttype: 'application/json'
  /** Counts this source's facts of this run from 1, so that a missing line shows. */
  sequence: number
  traceparent: string
  data: FactData<T>
}

/** A fact with its place in the stream. The union over all types, so that `kind` narrows `data`. */
export type StoredFact = { [T in FactType]: { kind: T; stream: number; fact: Fact<T> } }[FactType]

const envelope = z.strictObject({
  specversion: z.literal('1.0'),
  id: z.string().min(1).max(300),
  source: z.string().startsWith('/faultline/'),
  type: z.string(),
  subject: z.string().min(1).max(120),
  time: z.iso.datetime(),
  datacontenttype: z.literal('application/json'),
  sequence: z.int().positive(),
  traceparent: z.string().regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
  data: z.unknown(),
})

const schemas = new Map<string, z.ZodType>(Object.entries(facts).map(([type, { data }]) => [`dev.faultline.${type}`, data]))

/** Checks an untrusted value against the catalogue. Throws zod's error, or one for an unknown type or for text that is not Unicode. */
export function parseFact(raw: unknown, stream: number): StoredFact {
  const outer = envelope.parse(raw)
  if (!isUnicode(outer)) throw new Error('some text in it holds half of a surrogate pair, which is not Unicode')
  const schema = schemas.get(outer.type)
  if (!schema) throw new Error(`no fact of type ${outer.type} is in the catalogue (shared/events.ts)`)
  return { kind: outer.type.slice('dev.faultline.'.length), stream, fact: { ...outer, data: schema.parse(outer.data) } } as StoredFact
}

const definitions: Readonly<Record<FactType, FactDefinition>> = facts

export const streamOf = (type: FactType): FactStream => definitions[type].stream ?? 'runs'

export const factSubject = (run: string, type: FactType): string => `${factStreams[streamOf(type)].subjects}.${run}.${type}`

/**
 * Why a fact is not one, by the subject that it came on, or undefined. Who may write what is a matter of subjects (k8s/base/nats): without this an agent
 * could put `run.sealed` into a message on the subject of `fault.injected`, or speak of another run.
 */
export function misplaced(subject: string, { kind, fact: { subject: run } }: StoredFact): string | undefined {
  const isOneToken = !/[.*>\s]/.test(run)
  return isOneToken && subject === factSubject(run, kind) ? undefined : `it says that it is a ${kind} of run ${JSON.stringify(run)}, and came on the subject ${subject}`
}
