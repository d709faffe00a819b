import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parseDocuments } from '#shared/document-file.ts'
import { renderProblem } from '#shared/experiment-problem.ts'
import { campaignFormat, campaignJsonSchema, stepKinds, type Campaign } from '../../services/cli/campaign/campaign.ts'

const head = 'apiVersion: faultline.dev/v1alpha1\nkind: Campaign\nmetadata: {name: small}\n'
const parse = (steps: string, more = '') => parseDocuments(`${head}${more}steps:\n${steps}`, 'c.yaml', campaignFormat)
const problems = (steps: string, more = '') => parse(steps, more).problems.map(problem => renderProblem(problem).replace('c.yaml:', ''))

function campaign(steps: string, more = ''): Campaign {
  const { documents: [first], problems: found } = parse(steps, more)
  return first?.parsed ?? assert.fail(found.map(renderProblem).join('\n'))
}

const usual = `
  - {kind: preflight, name: look, nodes: 3}
  - kind: parallel
    branches:
      - [{kind: deploy, name: shop, part: shop}, {kind: deploy, name: locust, part: locust, needs: [shop]}]
      - [{kind: install, name: services, needs: [look], timeout: 3m}]
  - {kind: load, name: load, file: load.yaml, onFailure: continue}
  - {kind: experiment, name: kill, file: kill.yaml, needs: [services], repeat: 5}
  - {kind: clean-up, name: clean-up, always: true}
`

test('a campaign is its steps in order, with branches where they go side by side', () => {
  const { plan, steps } = campaign(usual).withProfile('default') ?? assert.fail()
  assert.deepEqual(plan.map(node => 'step' in node ? node.step.name : node.branches.map(branch => branch.map(({ name }) => name))), ['look', [['shop', 'locust'], ['services']], 'load', 'kill', 'clean-up'])
  assert.deepEqual([...steps.keys()], ['look', 'shop', 'locust', 'services', 'load', 'kill', 'clean-up'])
  const services = plan.flatMap(node => 'branches' in node ? node.branches.flat() : [node.step]).find(({ name }) => name === 'services')
  assert.deepEqual(services, { name: 'services', needs: ['look'], always: false, onFailure: 'stop', timeoutMs: 180_000 })
  assert.deepEqual(steps.get('kill')?.bound.experimentFiles, ['kill.yaml'])
})

test('a profile has some parameters otherwise, and only those', () => {
  const found = campaign(usual, 'profile: quick\nprofiles: {quick: {}, full: {services: {timeout: 10m}, load: {file: full.yaml}}}\n')
  assert.deepEqual([found.profile, found.profiles], ['quick', ['quick', 'full']])
  const of = (profile: string, step: string) => found.withProfile(profile)?.steps.get(step)?.bound
  assert.deepEqual([of('quick', 'services')?.timeoutMs, of('full', 'services')?.timeoutMs], [180_000, 600_000])
  assert.deepEqual([of('quick', 'load')?.experimentFiles, of('full', 'load')?.experimentFiles], [['load.yaml'], ['full.yaml']])
  assert.equal(found.withProfile('none'), undefined)
  assert.equal(found.withProfile('constructor'), undefined)
})

test('what one key cannot tell is told at the key to change', () => {
  const step = (name: string, more = '') => `  - {kind: deploy, name: ${name}, part: shop${more}}\n`
  assert.match(problems(step('a') + step('a')).join(), /steps\[1\]\.name: expected a name of its own/)
  assert.match(problems(step('a', ', needs: [b]') + step('b')).join(), /steps\[0\]\.needs\[0\]: expected the name of a step before it/)
  assert.match(problems(step('a') + step('b', ', always: true, needs: [a]')).join(), /steps\[1\]\.always: expected either always or needs/)
  assert.match(problems('  - {kind: sla, name: s, load: l, availability: 99%, rpo: 1m, recovery: {x: 1s}}\n').join(), /it looks at l, and there is none.*it looks at x/)
  assert.match(problems(step('a'), 'profile: fast\n').join(), /profile: expected one of the profiles: default/)
  assert.match(problems(step('a'), 'profiles: {default: {b: {}, a: {part: shopp}}}\n').join('\n'), /profiles\.default\.b: expected the name of a step[^]*profiles\.default\.a\.part/)
})

test('a step cannot need one that goes beside it, but one of an earlier group it can', () => {
  const beside = '  - kind: parallel\n    branches:\n      - [{kind: deploy, name: a, part: shop}]\n      - [{kind: deploy, name: b, part: locust, needs: [a]}]\n'
  assert.match(problems(beside).join(), /branches\[1\]\[0\]\.needs\[0\]: expected the name of a step before it, and not of one beside it/)
  const after = beside.replace(', needs: [a]', '') + '  - {kind: deploy, name: c, part: shop, needs: [a, b]}\n'
  assert.deepEqual(problems(after), [])
})

test('an unknown key or kind is told with what was probably meant', () => {
  assert.match(problems('  - {kind: deploy, name: a, part: shopp}\n').join(), /did you mean "shop"/)
  assert.match(problems('  - {kind: deplyo, name: a}\n').join(), /did you mean "deploy"/)
  assert.match(problems('  - {kind: deploy, name: a, part: shop, patiense: 3}\n').join(), /did you mean "patience"/)
})

test('an editor knows the same keys, and every kind has its words', () => {
  const accepts = new Ajv2020({ strict: true, strictRequired: false, allErrors: true, validateFormats: false }).compile(campaignJsonSchema)
  const { documents: [written] } = parse(usual)
  assert.ok(accepts(written?.document), JSON.stringify(accepts.errors))
  assert.equal(accepts({ ...written?.document as object, step: [] }), false)
  for (const { kind, summary, documentation } of stepKinds.values()) assert.ok(summary.length > 10 && documentation.trim().length > 50, kind)
})
