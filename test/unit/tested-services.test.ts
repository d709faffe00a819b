import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withServices } from '../../services/scheduler/run-services.ts'
import { serviceOf } from '../../services/injector/cluster/tested-services.ts'
import { distinctServices } from '#shared/tested-service.ts'

const pod = (metadata: object, image: string) => ({ metadata: { namespace: 'shop', name: 'web-5c4d-x2x9q', ...metadata }, spec: { containers: [{ name: 'web', image }] } })

test('a service is called by its label, else by its workload, else by its pod', () => {
  const owned = { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-5c4d', uid: 'u', controller: true }] }
  assert.equal(serviceOf(pod({ labels: { 'app.kubernetes.io/name': 'shop', app: 'other' } }, 'x')).app, 'shop')
  assert.equal(serviceOf(pod({ labels: { app: 'other' } }, 'x')).app, 'other')
  assert.equal(serviceOf(pod({ ...owned, labels: { 'pod-template-hash': '5c4d' } }, 'x')).app, 'web')
  assert.equal(serviceOf(pod({ ownerReferences: [{ ...owned.ownerReferences[0], kind: 'StatefulSet', name: 'postgres' }] }, 'x')).app, 'postgres')
  assert.equal(serviceOf(pod({}, 'x')).app, 'web-5c4d-x2x9q')
})

test('its version is its label, else what its image says', () => {
  const versionOf = (image: string, labels = {}) => serviceOf(pod({ labels }, image)).version
  assert.equal(versionOf('shop:1.4', { 'app.kubernetes.io/version': '1.5' }), '1.5')
  assert.equal(versionOf('registry:5000/team/shop:1.4'), '1.4')
  assert.equal(versionOf('registry:5000/team/shop'), 'latest')
  assert.equal(versionOf('registry:5000/team/shop:1.4@sha256:abc'), 'sha256:abc')
})

test('in an update a service stands there in both versions, each once', () => {
  const of = (version: string) => ({ namespace: 'shop', app: 'web', version })
  assert.deepEqual(distinctServices([of('2'), of('1'), of('2')]), [of('1'), of('2')])
})

test('of what a run was on, the first word counts, and what was not found out is remembered', () => {
  const at = (version: string) => [{ namespace: '', app: 'web', version }]
  const begun = withServices({}, { when: 'begin', services: at('1'), atMs: 1 })
  assert.deepEqual(withServices(begun, { when: 'begin', services: at('2'), atMs: 2 }), { begin: at('1') })
  assert.deepEqual(withServices(begun, { when: 'end', services: [], unknown: 'no answer', atMs: 3 }), { begin: at('1'), unknown: 'no answer' })
})
