import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { targetKinds } from '#shared/target.ts'
import { namespace } from '../../services/cli/install/secret.ts'

const policySchema = z.object({ spec: z.object({
  failurePolicy: z.string(),
  matchConstraints: z.object({ resourceRules: z.array(z.object({ apiGroups: z.array(z.string()), operations: z.array(z.string()), resources: z.array(z.string()) })) }),
  matchConditions: z.array(z.object({ expression: z.string() })),
  variables: z.array(z.object({ name: z.string(), expression: z.string() })),
  validations: z.array(z.object({ expression: z.string() })),
}) })
const [document, binding] = parseAllDocuments(readFileSync(new URL('../../k8s/base/author-policy.yaml', import.meta.url), 'utf8'))
const { spec } = policySchema.parse(document?.toJS())
const expressionOf = (name: string) => spec.variables.find(variable => variable.name === name)?.expression ?? assert.fail(`no variable ${name}`)

test('every kind of target that lies in a namespace is asked for it, nodes by themselves, and processes are none of a cluster\'s', () => {
  for (const [kind, schema] of Object.entries(targetKinds)) {
    if (kind === 'process') continue
    const lies = 'namespace' in schema.shape
    assert.equal(expressionOf('named').includes(`'${kind}' in f.target ? string(f.target.${kind}['namespace'])`), lies, kind)
    assert.equal(expressionOf('namesNodes').includes(`'${kind}' in f.target`), !lies, kind)
  }
})

test('every object that has experiments is held to it when it is made and when it is changed, but for what the scheduler makes of a Campaign', () => {
  assert.equal(spec.failurePolicy, 'Fail')
  assert.deepEqual(spec.matchConstraints.resourceRules, [{ apiGroups: ['faultline.dev'], operations: ['CREATE', 'UPDATE'], resources: ['experiments', 'campaigns', 'policies'] }])
  assert.deepEqual(spec.matchConditions.map(({ expression }) => expression), [`request.userInfo.username != 'system:serviceaccount:${namespace}:scheduler'`])
  for (const kind of ['Campaign', 'Policy']) assert.ok(expressionOf('branches').includes(`object.kind == '${kind}'`), kind)
  assert.deepEqual(z.object({ spec: z.object({ policyName: z.string(), validationActions: z.array(z.string()) }) }).parse(binding?.toJS()).spec, { policyName: 'faultline-authors', validationActions: ['Deny'] })
})

test('each namespace is asked about in an expression of its own, which has room for two checks; one more than there are expressions is refused', () => {
  const places = ['first', 'second', 'third', 'fourth']
  for (const place of places) assert.ok(spec.validations.some(({ expression }) => expression === `variables.${place} == '' || authorizer.group('').resource('pods').namespace(variables.${place}).check('delete').allowed()`), place)
  for (const { expression } of spec.validations) assert.ok(expression.split('.check(').length <= 2, expression)
  const [none, ...rest] = ['named', 'afterFirst', 'afterSecond', 'afterThird', 'afterFourth']
  for (const [index, left] of rest.entries()) {
    const before = [none, ...rest][index] ?? ''
    assert.equal(expressionOf(left), `variables.${before}.filter(n, n != variables.${places[index] ?? ''})`)
    assert.equal(expressionOf(places[index] ?? ''), `variables.${before}.size() > 0 ? variables.${before}[0] : ''`)
  }
  assert.ok(spec.validations.some(({ expression }) => expression === 'variables.afterFourth.size() == 0'))
})
