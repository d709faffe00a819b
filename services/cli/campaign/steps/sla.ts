import { z } from 'zod'
import { messageOf } from '#shared/errors.ts'
import { dnsLabel, duration, ratio } from '#shared/units.ts'
import { readAuditSpan } from '../audit-log.ts'
import { disturbedSpan, evidenceOf } from '../evidence.ts'
import { manualSteps } from '../manual-steps.ts'
import { judgeSla, wholeAvailability, type SlaEvidence } from '../sla.ts'
import { defineStep, type StepContext } from '../step.ts'

export default defineStep({
  kind: 'sla',
  summary: 'Holds all runs of the campaign against a service level agreement',
  documentation: `
Availability is the share of the requests of the load step, which has no faults, that were answered well. Recovery times, recovery points and lost
writes come from the probes and their ledgers, the worst over all runs of a step. Manual steps are the changes in the API server's audit log
between injection and recovery that were made by none of cluster controllers, kubelets, Patroni, and the declared fault with its undo; without
an audit log they are not measured. What is not measured is not met.`,
  timeoutMs: 5 * 60_000,
  parameters: z.strictObject({
    load: dnsLabel().describe('The load step, which has no faults'),
    availability: ratio().describe('More than this share of its requests must be answered well'),
    recovery: z.record(dnsLabel(), duration({ minMs: 1 })).default({}).describe('By step: the time until every probe is steady again must be less'),
    rpo: duration({ minMs: 1 }).describe('The oldest acknowledged write that is lost must be younger'),
    lostWrites: z.int().min(0).default(0).describe('Most acknowledged writes that may be lost, in all runs together'),
    manualSteps: z.int().min(0).default(0).describe('Most changes by people between injection and recovery'),
    platform: z.array(z.string().min(1).max(300)).max(20).default([]).describe('User names of what repairs nodes by itself, such as a cloud\'s node controller'),
  }),
  refersTo: ({ load, recovery }) => [load, ...Object.keys(recovery)],
  async run({ load, availability, recovery, rpo, lostWrites, manualSteps: most, platform }, context) {
    const evidence = evidenceOf(context.findings, { load }, await countManualSteps(context, platform))
    const bars = judgeSla({ availability, recoveryMs: recovery, rpoMs: rpo, lostWrites, manualSteps: most }, evidence)
    const unmet = bars.filter(({ met }) => !met)
    const whole = `the whole campaign's availability, with faults: ${wholeAvailability(evidence)}`
    return { verdict: unmet.length === 0 ? 'passed' : 'failed', why: [...unmet.map(({ name, measured }) => `${name}: ${measured}`), whole].join('; '), bars }
  },
})

/** Of each run with a fault. Undefined when there is no log, or none that can be read. */
async function countManualSteps({ findings: { runs }, settings: { auditLog, namespace }, say }: StepContext, platform: readonly string[]): Promise<SlaEvidence['manualSteps']> {
  if (auditLog === undefined) return undefined
  try {
    const counted: { run: string; steps: ReturnType<typeof manualSteps> }[] = []
    for (const { run, facts } of runs) {
      const span = disturbedSpan(facts)
      if (span) counted.push({ run, steps: manualSteps(await readAuditSpan(auditLog, span), span, { namespace, platform }) })
    }
    return counted
  } catch (error) {
    say(`the audit log ${auditLog} cannot be read: ${messageOf(error)}`)
    return undefined
  }
}
