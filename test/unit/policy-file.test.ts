import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { stringify } from 'yaml'
import { renderProblem } from '#shared/experiment-problem.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { parsePolicies } from '#shared/policy-file.ts'
import { areSame, describeFaults, servicesOfExperiment, type ServiceKey } from '#shared/policy-services.ts'
import { policyJsonSchema, printServices } from '#shared/policy.ts'
import { structuralSchema } from '../../services/cli/structural-schema.ts'
import { validate } from '../../services/cli/validate.ts'
import { killing, policyDocument, policyOf } from '../parts/policy-builder.ts'

const folder = new URL('../../k8s/policies/', import.meta.url)
const examples = readdirSync(folder).map(file => new URL(file, folder))
const accepts = new Ajv2020({ strict: true, strictRequired: false, allErrors: true, validateFormats: false }).compile(policyJsonSchema)
const problemsOf = (more: object) => parsePolicies(stringify(policyDocument(more)), 'p.yaml').problems.map(problem => renderProblem(problem).replace(/^p\.yaml:\d+:\d+(?:: | )/, ''))
const template = (experiment: object, more: object = {}) => ({ templates: [{ name: 'one', experiment, ...more }] })

test('each example is a policy, to faultline and to an editor, which it points to the schema', async () => {
  for (const url of examples) {
    const text = readFileSync(url, 'utf8')
    const { policies, problems } = parsePolicies(text, url.pathname)
    assert.deepEqual(problems.map(renderProblem), [])
    for (const { document } of policies) assert.ok(accepts(document), JSON.stringify(accepts.errors))
    const [, schema] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text) ?? []
    assert.ok(schema && existsSync(new URL(schema, url)))
    assert.deepEqual(await validate([url.pathname], { json: false }), { exitCode: 0, output: policies.map(({ policy }) => `${url.pathname}: valid: ${policy.name}`).join('\n') })
  }
  assert.ok(examples.length > 0)
})

test('the policy that the README shows is one', () => {
  const [, shown = ''] = /```yaml\n(apiVersion: \S+\nkind: Policy\n[^]*?)```/.exec(readFileSync(new URL('../../README.md', import.meta.url), 'utf8')) ?? []
  assert.deepEqual(parsePolicies(shown, 'README.md').problems.map(renderProblem), [])
})

test('what a policy says is read with its defaults', () => {
  const policy = policyOf({ cooldown: '5m', budgets: [{ slo: 'errors', remaining: 'vector(1)', share: '20%' }], windows: [{ from: '22:00', to: '24:00' }] })
  assert.deepEqual(policy.timing, { by: 'rate', perMs: 30 / (2 * 3_600_000 - 70_000), seed: 'low-rate/7' })
  assert.deepEqual(policy.budgets, [{ slo: 'errors', remaining: 'vector(1)', share: 0.2, costPerRunRatio: 0.01, slowBelow: 0.5, periodMs: 28 * 86_400_000, settleMs: 60_000 }])
  assert.deepEqual([policy.cooldownMs, policy.concurrency, policy.waitMs, policy.pauseOn], [300_000, 1, 3_600_000, ['failed']])
  const [web] = policy.templates
  assert.deepEqual([web?.lengthMs, web?.experiment.name, web && printServices(web)], [70_000, 'low-rate-web', 'shop/web'])
  assert.deepEqual(policyOf(template(killing('web'), { services: ['shop/front', 'shop/*'] })).templates[0]?.services, [{ namespace: 'shop', app: 'front' }, { namespace: 'shop', app: '*' }])
})

test('every mistake is told, where it is', () => {
  const told: [object, RegExp][] = [
    [{ cron: '0 * * * *' }, /^cron: expected no such key beside rate/],
    [{ rate: undefined }, /^expected a rate or a cron pattern/],
    [{ rate: undefined, cron: '0 25 * * *' }, /^cron: expected a cron pattern of five fields/],
    [{ rate: undefined, cron: '0 0 30 2 *' }, /^cron: expected a cron pattern that comes to pass/],
    [{ seed: 3 }, /^seed: expected no such key without cron/],
    [{ timeZone: 'Europe/Atlantis' }, /^timeZone: expected a time zone such as Europe\/Berlin/],
    [{ windows: [{ from: '9:00', to: '24:01' }] }, /^windows\[0\]\.from: expected a time of day such as 09:30, found "9:00"\n.*windows\[0\]\.to/s],
    [{ windows: [{ from: '09:00', to: '09:01' }] }, /^windows: expected windows of more than 1m10s each, which the longest template may take/],
    [{ freezes: [{ from: '2026-02-30', to: '2026-03-01' }, { from: '2026-03-02', to: '2026-03-01' }] }, /^freezes\[0\]\.from: expected a date that the calendar has[^]*freezes\[1\]\.to: expected a date that is not before from/],
    [{ budgets: [{ slo: 'a', remaining: 'sum(', share: '0%' }] }, /^budgets\[0\]\.share: expected a share above 0/],
    [{ budgets: [{ slo: 'a', remaining: 'sum(', share: '1%' }, { slo: 'a', remaining: '1', share: '1%' }] }, /^budgets\[0\]\.remaining: expected PromQL[^]*budgets\[1\]\.slo: expected a name of its own/],
    [{ templates: [{ name: 'a', experiment: killing('a') }, { name: 'a', experiment: killing('b') }] }, /^templates\[1\]\.name: expected a name of its own; another template is called a too/],
    [{ scope: { namespaces: ['other'] } }, /^templates\[0\]\.experiment\.faults\[0\]\.target: expected a namespace of the policy's scope: other/],
    [template({ faults: [{ kind: 'node-drain', target: { nodes: { name: 'n1' } }, duration: '10s' }], gates: killing('a')['gates'] }), /target: expected no nodes; the policy's scope has not nodes: true/],
    [template({ faults: [{ kind: 'kill', target: { process: { match: 'worker' } } }], gates: killing('a')['gates'] }), /target: expected no processes/],
    [template({ ...killing('a'), kind: 'Experiment' }), /^templates\[0\]\.experiment\.kind: expected no such key; the policy names its experiments/],
    [template({ ...killing('a'), hold: 'long' }), /^templates\[0\]\.experiment\.hold: expected a duration such as 250ms/],
    [template(killing('a'), { services: ['shop'] }), /^templates\[0\]\.services\[0\]: expected a service as namespace\/app/],
  ]
  for (const [more, expected] of told) assert.match(problemsOf(more).join('\n'), expected)
  assert.deepEqual(problemsOf({ rate: undefined, cron: '*/20 9-17 * * 1-5', seed: 3 }), [])
})

test('the services of an experiment are those that its targets name; what says less is on all that it could mean', () => {
  const keys = (...faults: object[]) => servicesOfExperiment(experimentSchema.parse({ apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'e' }, faults, gates: killing('a')['gates'] }))
  const kill = (pods: object) => ({ kind: 'pod-kill', target: { pods: { namespace: 'shop', ...pods } } })
  const of = (namespace: string, app: string): ServiceKey => ({ namespace, app })
  assert.deepEqual(keys(kill({ labels: { 'app.kubernetes.io/name': 'web', 'app': 'other' } }), kill({ labels: { app: 'web' } }), kill({ owner: { kind: 'Deployment', name: 'redis' } })), [of('shop', 'web'), of('shop', 'redis')])
  assert.deepEqual(keys(kill({ role: 'redis-master' })), [of('shop', '*')])
  assert.deepEqual(keys({ kind: 'scale', target: { workload: { namespace: 'shop', kind: 'Deployment', name: 'web' } }, replicas: 1, duration: '10s' }), [of('shop', 'web')])
  assert.deepEqual(keys({ kind: 'node-drain', target: { nodes: { name: 'n1' } }, duration: '10s' }), [of('*', '*')])
  assert.deepEqual(keys({ kind: 'kill', target: { process: { match: 'worker', parent: 'shop' } } }, { kind: 'kill', target: { process: { match: 'worker' } } }), [of('', 'shop'), of('', '*')])
  const partition = { kind: 'network-partition', target: { pods: { namespace: 'shop', labels: { app: 'web' } } }, from: { labels: { app: 'postgres' } }, duration: '10s' }
  assert.deepEqual(keys(partition), [of('shop', 'web'), of('shop', 'postgres')])
  assert.deepEqual(keys({ ...partition, from: { apiServer: true } }), [of('shop', 'web')])
  const same = (a: ServiceKey, b: ServiceKey) => areSame(a, b) && areSame(b, a)
  assert.ok(same(of('shop', 'web'), of('shop', 'web')) && same(of('shop', 'web'), of('shop', '*')) && same(of('*', '*'), of('shop', 'web')) && same(of('', '*'), of('', 'x')))
  assert.ok(!areSame(of('shop', 'web'), of('shop', 'redis')) && !areSame(of('shop', 'web'), of('bank', 'web')) && !areSame(of('', '*'), of('*', '*')) && !areSame(of('*', '*'), of('', 'x')))
  assert.equal(describeFaults(policyOf().templates[0]?.experiment ?? assert.fail()), 'pod-kill on pods of shop with app=web, one')
  assert.equal(describeFaults({ faults: [] }), 'no fault')
  const { faults } = experimentSchema.parse({ ...killing('web'), apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'e' }, faults: [
    { kind: 'scale', target: { workload: { namespace: 'shop', kind: 'Deployment', name: 'web' } }, replicas: 1, at: '5s', duration: '5s' },
    { kind: 'node-drain', target: { nodes: { name: 'n1' } }, at: '5s', duration: '5s' },
  ] })
  assert.equal(describeFaults({ faults }), 'scale on Deployment shop/web; node-drain on node n1, one')
})

test('an editor is told of an unknown key; the custom resource has every key of the file', () => {
  assert.ok(accepts(policyDocument({ windows: [{ from: '09:00', to: '17:00' }], budgets: [{ slo: 'a', remaining: '1', share: '1%' }] })), JSON.stringify(accepts.errors))
  for (const more of [{ wait: 60 }, { coldown: '5m' }, { windows: [{ from: '09:00' }] }, { rate: { mean: 30, per: 'year' } }]) assert.equal(accepts(policyDocument(more)), false, JSON.stringify(more))
  const { properties } = structuralSchema(policyJsonSchema) as { properties: object }
  assert.deepEqual(Object.keys(properties), Object.keys(policyJsonSchema.properties ?? {}))
})
