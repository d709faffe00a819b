import { z } from 'zod'
import { probeKinds } from '#shared/probe-kinds.ts'
import { keepsLedger, type BoundProbe, type ProbeKind, type ProbeSpec } from '#shared/probe.ts'
import { dnsLabel, duration, printDuration } from '#shared/units.ts'

/** The part of the experiment format that is about probes. */

/** Attempts overlap, so that one that hangs does not stop the clock; more of them than this would be a load of their own. */
export const mostInFlight = 64

const common = z.strictObject({
  name: dnsLabel().describe('Names the probe in gates and reports; each once'),
  interval: duration({ minMs: 50, maxMs: 60_000 }).default(100).describe('Time between the starts of two attempts'),
  timeout: duration({ minMs: 50, maxMs: 60_000 }).default(1_000).describe('An attempt that takes longer has failed'),
})
type Common = z.output<typeof common>

const keyOfEachKind = Object.fromEntries([...probeKinds.values()].map(kind => [kind.kind, kind.bound.optional().describe(kind.summary)]))

export const probeItem = common
  // oxlint-disable-next-line typescript/no-unnecessary-type-assertion, typescript/no-generated-empty-object-type -- as for gates: keys that any text may have would replace the common ones in the type
  .extend(keyOfEachKind as Record<never, never>)
  .superRefine((item, context) => {
    const given = kindsIn(item).map(({ kind }) => kind.kind)
    if (given.length !== 1) context.addIssue({ code: 'custom', message: `exactly one of ${[...probeKinds.keys()].join(', ')}; this probe has ${given.join(' and ') || 'none'}` })
    if (item.timeout > mostInFlight * item.interval) context.addIssue({ code: 'custom', path: ['timeout'], message: `at most ${mostInFlight} intervals (${printDuration(mostInFlight * item.interval)}), since attempts overlap` })
  })
  .meta({ oneOf: [...probeKinds.keys()].map(kind => ({ required: [kind] })) }) // the same rule, for editors

export function resolveProbe(item: Common): ProbeSpec[] {
  return kindsIn(item).map(({ kind, bound: { endpoint, plan, description } }) => ({
    name: item.name, kind: kind.kind, endpoint, intervalMs: item.interval, timeoutMs: item.timeout, description, plan, keepsLedger: keepsLedger(plan),
  }))
}

/** The kinds whose key a probe carries, with what the key's schema has bound. */
function kindsIn(item: Common): { kind: ProbeKind; bound: BoundProbe }[] {
  const byKey = new Map<string, unknown>(Object.entries(item))
  return [...probeKinds.values()].flatMap(kind => {
    const bound = byKey.get(kind.kind)
    return bound === undefined ? [] : [{ kind, bound: bound as BoundProbe }] // what `kind.bound` has put there
  })
}
