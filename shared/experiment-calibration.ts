import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { z } from 'zod'
import { percent } from '#shared/gate-share.ts'
import { dnsLabel, duration, printDuration, ratio } from '#shared/units.ts'

/**
 * What `faultline calibrate` has measured of an experiment's gates with a limit, as a key of the experiment: so it is carried wherever that goes, into the log of
 * each run and its reports. It decides nothing, and is no part of what an experiment asks (`experimentIdentity`).
 */
export const calibrationKey = z.strictObject({
  measuredAt: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'a date such as 2026-01-31T12:00:00Z').refine(text => !Number.isNaN(Date.parse(text)), 'a date that there is')
    .describe('When it was measured'),
  subject: z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hex').describe('SHA-256 of what it was measured with: load without host, alpha, gates with a limit without block and burst'),
  phase: duration({ minMs: 1 }).describe('How long the gates were judged at a time'),
  runs: z.int().min(1).describe('Fault-free runs that it was measured from'),
  windows: z.int().min(1).describe('How many phases they have, one after another'),
  falseAborts: ratio().describe('Share of those in which a gate would have aborted'),
  atMost: ratio().describe('Upper end of its interval of 95 %'),
  gates: z.array(z.strictObject({
    name: dnsLabel().describe('The gate'), block: duration().describe('Its block then'), burst: z.int().min(1).describe('Its burst then'),
  })).max(100).describe('The gates that it was measured for'),
})
export type Calibration = z.output<typeof calibrationKey>

const subject = z.looseObject({ load: z.looseObject({ host: z.unknown().optional() }).optional(), alpha: z.unknown().optional(), gates: z.array(z.looseObject({ limit: z.unknown().optional() })) })

/** SHA-256, in hex, of what false aborts depend on beside the service, wherever that is: of a document as it was written. */
export function calibrationSubject(document: unknown): string {
  const { load: { host: _host, ...load } = {}, alpha, gates } = subject.parse(document)
  const limited = gates.filter(({ limit }) => limit !== undefined).map(({ block: _block, burst: _burst, phase: _phase, reconcile: _reconcile, ...asked }) => asked) // they are all of one phase, and what they are held against aborts nothing
  return createHash('sha256').update(canonicalize({ load, gates: limited, ...(alpha !== undefined && { alpha }) }) ?? '').digest('hex')
}

/** An experiment, as far as its calibration is about it. */
export interface Calibrated {
  calibration?: Calibration | undefined
  holdMs: number
  gates: readonly { name: string; sequential?: { blockMs: number; pass: { requestsPerBurst: number } } | undefined }[]
}

/** `says`: what is known of false aborts without a fault; `doubts`: why it may not hold for this run. Sentences. */
export interface CalibrationWords { says: string; doubts: string[] }

/** What a report says of it. Undefined of an experiment without a gate with a limit, which promises nothing of the kind. Pure. */
export function describeCalibration(document: unknown, experiment: Calibrated, atMs: number): CalibrationWords | undefined {
  const { calibration, holdMs, gates } = experiment
  const limited = gates.flatMap(({ name, sequential }) => sequential ? [{ name, blockMs: sequential.blockMs, burst: sequential.pass.requestsPerBurst }] : [])
  if (limited.length === 0) return undefined
  if (!calibration) return { says: 'False aborts without a fault (A/A): never measured for this experiment (faultline calibrate measures them).', doubts: [] }
  const { measuredAt, falseAborts, atMost, windows, runs, phase } = calibration
  const isSame = calibrationSubject(document) === calibration.subject
  return {
    says: `False aborts without a fault (A/A): ${percent(falseAborts)} of ${windows} times ${printDuration(phase)} (95 %: at most ${percent(atMost)}), measured on ${measuredAt} `
      + `(${printAge(atMs - Date.parse(measuredAt))}) in ${runs} fault-free ${runs === 1 ? 'run' : 'runs'}, with load, alpha and gates of SHA-256 ${calibration.subject.slice(0, 12)}.`,
    doubts: [
      ...isSame ? [] : ['Load, alpha or gates with a limit are others now.'],
      ...phase === holdMs ? [] : [`This experiment is judged for ${printDuration(holdMs)}.`],
      ...limited.flatMap(({ name, blockMs, burst }) => {
        const then = calibration.gates.find(gate => gate.name === name)
        if (!then) return [`${name} was not measured.`]
        return then.block === blockMs && then.burst === burst ? [] : [`${name} was measured with block ${printDuration(then.block)} and burst ${then.burst}, and has ${printDuration(blockMs)} and ${burst}.`]
      }),
    ],
  }
}

function printAge(ms: number): string {
  if (ms < 0) return 'after this run'
  const days = Math.floor(ms / 86_400_000)
  return days > 0 ? `${days} ${days === 1 ? 'day' : 'days'} before this run` : 'on the day of this run'
}
