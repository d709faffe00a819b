import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicySummary } from '../../services/scheduler/policies.ts'
import { outlookOfPolicy, policyNameOf, readPolicyObject } from '../../services/scheduler/policy-object.ts'
import { policyMeant, printNames } from '../../services/scheduler/policy-meant.ts'
import { policyDocument } from '../parts/policy-builder.ts'

const uid = '0a1b2c3d-0000-4000-8000-000000000000'
const raw = (more: object = {}, metadata: object = {}) => ({ ...policyDocument(more), metadata: { name: 'low-rate', namespace: 'staging', uid, generation: 2, resourceVersion: '7', managedFields: [], ...metadata } })
const read = (given: unknown) => readPolicyObject(given) ?? assert.fail('a Policy')
const nowMs = Date.UTC(2026, 11, 2)
const by = `kubernetes:staging/low-rate?uid=${uid}&generation=2`
const inForce = (more: Partial<PolicySummary> = {}): PolicySummary => ({ name: 'low-rate-0a1b2c3d', by, state: 'active', reason: null, nextAtMs: nowMs + 60_000, upcoming: [], recent: [], budgets: [], ...more })

test('an object that is not in force, or in force as it was earlier, is set; one that is as it is written is left alone', () => {
  const object = read(raw())
  assert.equal(policyNameOf(object), 'low-rate-0a1b2c3d')
  const set = { do: 'set', name: 'low-rate-0a1b2c3d', by }
  assert.deepEqual(outlookOfPolicy(object, undefined, nowMs).deed, set)
  assert.deepEqual(outlookOfPolicy(object, inForce({ by: by.replace('=2', '=1') }), nowMs).deed, set)
  const { deed, status } = outlookOfPolicy(object, inForce({ state: 'paused', reason: 'r was failed', nextAtMs: null, recent: [{ atMs: 3, experiment: 'e', run: null, outcome: 'skipped: paused' }, { atMs: 2, experiment: 'e', run: 's', outcome: 'running' }, { atMs: 1, experiment: 'e', run: 'r', outcome: 'failed' }] }), nowMs)
  assert.equal(deed, undefined)
  assert.deepEqual({ ...status, conditions: [] }, { observedGeneration: 2, state: 'paused', reason: 'r was failed', policyName: 'low-rate-0a1b2c3d', lastRun: 'r', lastVerdict: 'failed', conditions: [] })
  assert.equal(outlookOfPolicy(object, inForce(), nowMs).status.nextAt, '2026-12-02T00:01:00Z')
})

test('one that is no policy is refused with every problem, and what was in force of it is removed', () => {
  const object = read(raw({ rate: { mean: 0, per: 'year' } }))
  const { deed, status } = outlookOfPolicy(object, inForce(), nowMs)
  assert.deepEqual(deed, { do: 'remove', name: 'low-rate-0a1b2c3d' })
  assert.equal(outlookOfPolicy(object, undefined, nowMs).deed, undefined)
  assert.equal(status.state, 'refused')
  assert.match(status.conditions[0]?.message ?? '', /rate\.mean: expected more than 0.*rate\.per: expected one of/)
})

test('the date of a condition is when it changed', () => {
  const object = read({ ...raw(), status: { observedGeneration: 1, state: 'active', conditions: [{ type: 'Accepted', status: 'True', reason: 'Valid', message: '', observedGeneration: 1, lastTransitionTime: '2026-01-01T00:00:00Z' }] } })
  assert.equal(outlookOfPolicy(object, inForce(), nowMs).status.conditions[0]?.lastTransitionTime, '2026-01-01T00:00:00Z')
  assert.equal(readPolicyObject({ kind: 'Policy' }), undefined)
})

test('a policy is meant by its own name first, else by its object, with the namespace where there are several', () => {
  const of = (namespace: string, name: string, uid8: string) => ({ name: `${name}-${uid8}`, by: `kubernetes:${namespace}/${name}?uid=${uid8}-0000-4000-8000-000000000000&generation=2` })
  const policies = [{ name: 'drip', by: 'ada' }, of('staging', 'drip', '11111111'), of('staging', 'steady', '22222222'), of('prod', 'steady', '33333333'), of('prod', 'low-rate', '0a1b2c3d')]
  const named = (said: string) => {
    const found = policyMeant(said, policies)
    return found.is === 'one' ? found.name : found.is
  }
  assert.deepEqual(['low-rate-0a1b2c3d', 'low-rate', 'prod/low-rate', 'drip', 'staging/drip', 'prod/steady'].map(named),
    ['low-rate-0a1b2c3d', 'low-rate-0a1b2c3d', 'low-rate-0a1b2c3d', 'drip', 'drip-11111111', 'steady-33333333'])
  assert.deepEqual(['steady', 'staging/low-rate', 'low', 'prod/', ''].map(named), ['several', 'none', 'none', 'none', 'none'])
  const several = policyMeant('steady', policies)
  assert.ok(several.is === 'several')
  assert.match(several.why, /steady-22222222 \(staging\/steady\), steady-33333333 \(prod\/steady\); say NAMESPACE\/NAME/)
  const none = policyMeant('slow', policies)
  assert.ok(none.is === 'none')
  assert.match(none.why, /^no policy slow; there are drip, drip-11111111 \(staging\/drip\), /)
  assert.deepEqual(policyMeant('slow', []), { is: 'none', why: 'no policy slow; there is none' })
  assert.equal(printNames({ name: 'old' }), 'old')
})
