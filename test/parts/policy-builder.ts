import assert from 'node:assert/strict'
import { policySchema, type Policy } from '#shared/policy.ts'

/** A policy file's document, as YAML would give it, that tests vary. Its templates kill pods of the shop and of Redis. */
export function policyDocument(more: object = {}): Record<string, unknown> {
  return {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Policy', metadata: { name: 'low-rate' },
    scope: { namespaces: ['shop'] },
    rate: { mean: 30, per: 'day', seed: 7 },
    templates: [
      { name: 'web', weight: 3, experiment: killing('web') },
      { name: 'redis', weight: 1, experiment: killing('redis') },
    ],
    ...more,
  }
}

/** At most 70 s long: 5 s quiet, 25 s hold, 40 s to recover. */
export const killing = (app: string): Record<string, unknown> => ({
  faults: [{ kind: 'pod-kill', target: { pods: { namespace: 'shop', labels: { app } } }, at: '5s' }],
  gates: [{ name: 'up', promql: { query: 'vector(1)', min: 1 } }],
  hold: '25s', recovery: { within: '40s', stable: '1s' },
})

export function policyOf(more: object = {}): Policy {
  const parsed = policySchema.safeParse(policyDocument(more))
  return parsed.data ?? assert.fail(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'))
}
