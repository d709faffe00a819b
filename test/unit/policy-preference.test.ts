import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Coverage } from '#shared/coverage.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { preferenceOfTemplate } from '#shared/policy-preference.ts'

const on = (...faults: object[]) => ({ experiment: experimentSchema.parse({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'e' }, faults, hold: '10s', gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
}) })
const kill = (labels: object) => ({ kind: 'pod-kill', target: { pods: { namespace: 'shop', labels } }, at: '1s' })
const cell = { kind: 'pod-kill', verdict: 'passed' as const, run: 'r', experiment: 'e', atMs: 1, version: '1', stale: false }
const service = (app: string, ...cells: (typeof cell)[]) => ({ namespace: 'shop', app, versions: ['1'], present: true, cells })
const coverage = (...services: Coverage['services']): Coverage => ({ kinds: ['pod-kill'], services, discoveredAtMs: 1, unknown: null })

test('what was never tried is preferred to what is stale, and that to what is known', () => {
  const seen = coverage(service('web', cell), service('redis', { ...cell, stale: true }), service('postgres'))
  const preference = (app: string) => preferenceOfTemplate(seen, on(kill({ app })))
  assert.deepEqual(['web', 'redis', 'postgres', 'nowhere'].map(preference), [1, 2, 4, 4])
})

test('a template counts as the least known of its faults, and of what a target could be', () => {
  const seen = coverage(service('web', cell), service('redis', { ...cell, stale: true }))
  assert.equal(preferenceOfTemplate(seen, on(kill({ app: 'web' }), kill({ app: 'redis' }))), 2)
  assert.equal(preferenceOfTemplate(seen, on(kill({ tier: 'any' }))), 2)
  assert.equal(preferenceOfTemplate(seen, on()), 1)
})
