import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { namespace } from '../../services/cli/install/secret.ts'
import { optInLabel } from '../../services/injector/cluster/opt-in.ts'
import { refusedNamespaces } from '../../services/injector/node-driver.ts'

const policySchema = z.object({ spec: z.object({
  failurePolicy: z.string(),
  matchConstraints: z.object({ resourceRules: z.array(z.object({ operations: z.array(z.string()), resources: z.array(z.string()) })) }),
  matchConditions: z.array(z.object({ expression: z.string() })),
  validations: z.array(z.object({ expression: z.string(), message: z.string() })),
}) })
type Policy = z.output<typeof policySchema>['spec']
const bindingSchema = z.object({ spec: z.object({ policyName: z.string(), validationActions: z.array(z.string()) }) })
const documents = parseAllDocuments(readFileSync(new URL('../../k8s/base/opt-in-policy.yaml', import.meta.url), 'utf8')).map(document => document.toJS() as unknown)
const [ofPods, ofNodes] = [documents[0], documents[2]].map(document => policySchema.parse(document).spec) as [Policy, Policy]
const user = (name: string) => `'system:serviceaccount:${namespace}:${name}'`

test('the admission policy asks for the label, and refuses the namespaces, that the agents do', () => {
  assert.deepEqual(ofPods.validations.map(({ expression }) => expression), [
    `has(namespaceObject.metadata.labels) && '${optInLabel}' in namespaceObject.metadata.labels && namespaceObject.metadata.labels['${optInLabel}'] == 'allowed'`,
    `!(request.namespace in [${refusedNamespaces.map(name => `'${name}'`).join(', ')}])`,
  ])
  assert.deepEqual(ofPods.matchConditions.map(({ expression }) => expression), [`request.userInfo.username == ${user('cluster-agent')}`])
  assert.deepEqual(ofPods.matchConstraints.resourceRules.map(({ operations, resources }) => [operations, resources]), [
    [['DELETE'], ['pods']], [['CREATE'], ['pods/eviction']], [['UPDATE'], ['deployments/scale', 'statefulsets/scale']],
  ])
})

test('of a node it lets its label be asked for, and labels, taints and others\' annotations stay as they are', () => {
  assert.deepEqual(ofNodes.matchConditions.map(({ expression }) => expression), [`request.userInfo.username in [${user('cluster-agent')}, ${user('restorer')}]`])
  assert.deepEqual(ofNodes.matchConstraints.resourceRules.map(({ operations, resources }) => [operations, resources]), [[['UPDATE'], ['nodes']]])
  const [asked = '', ...rest] = ofNodes.validations.map(({ expression }) => expression)
  assert.ok(asked.includes(`'${optInLabel}' in variables.labels && variables.labels['${optInLabel}'] == 'allowed'`), asked)
  assert.deepEqual(rest, [
    '(has(object.metadata.labels) ? object.metadata.labels : {}) == variables.labels',
    '(has(object.spec.taints) ? object.spec.taints : []) == (has(oldObject.spec.taints) ? oldObject.spec.taints : [])',
    'variables.after.all(name, name == variables.mark || (name in variables.before && variables.after[name] == variables.before[name])) && variables.before.all(name, name == variables.mark || name in variables.after)',
  ])
})

test('what neither policy can decide is refused, and so is what either decides against', () => {
  for (const { failurePolicy } of [ofPods, ofNodes]) assert.equal(failurePolicy, 'Fail')
  assert.deepEqual([documents[1], documents[3]].map(document => bindingSchema.parse(document).spec), ['faultline-opt-in', 'faultline-nodes'].map(policyName => ({ policyName, validationActions: ['Deny'] })))
})
