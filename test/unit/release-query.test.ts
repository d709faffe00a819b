import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseExperiments } from '#shared/experiment-file.ts'
import { printRequirement, releaseQuerySchema } from '#shared/release-query.ts'
import { experimentIdentity } from '#shared/release-run.ts'
import { parseRequirements, readRequirements } from '../../services/scheduler/release-requirements.ts'

const query = (given: object) => releaseQuerySchema.safeParse(given)
const hash = 'a1'.repeat(32)

test('a release check names a service and a version, within a day where nothing is said, and lists experiments in either way', () => {
  assert.deepEqual(query({ app: 'shop', version: '1.2.3' }).data, { app: 'shop', version: '1.2.3', within: 86_400_000 })
  const both = [{ experiment: 'a', hash: undefined }, { experiment: 'b', hash }]
  for (const require of [`a,b@${hash}`, ['a', `b@${hash}`], [`a , b@${hash}`]]) assert.deepEqual(query({ app: 'jewelry/shop', version: 'sha256:1f', within: '90m', require }).data, { app: 'jewelry/shop', version: 'sha256:1f', within: 5_400_000, require: both })
  fc.assert(fc.property(fc.array(fc.record({ experiment: fc.stringMatching(/^[a-z0-9]{1,20}$/), hash: fc.option(fc.constant(hash), { nil: undefined }) }), { minLength: 1, maxLength: 5 }), required => {
    assert.deepEqual(query({ app: 'shop', version: '1', require: required.map(printRequirement).join(',') }).data?.require?.map(printRequirement), required.map(printRequirement))
  }))
})

test('what could be misread is refused: a misspelt key, a path, no version, an empty list, a window without unit or end', () => {
  const sound = { app: 'shop', version: '1' }
  const wrong = [{}, { app: 'shop' }, { version: '1' }, { ...sound, requires: 'a' }, { ...sound, app: '../shop' }, { ...sound, app: 'a/b/c' }, { ...sound, app: '/shop' }, { ...sound, app: 'shop/' }, { ...sound, app: '' }, { ...sound, version: '' }, { ...sound, version: '1 2' }, { ...sound, version: '1\u202e' }, { ...sound, version: ['1', '2'] },
    { ...sound, within: '24' }, { ...sound, within: '0s' }, { ...sound, within: '9999h' }, { ...sound, within: ['1h', '2h'] }, { ...sound, require: '' }, { ...sound, require: 'a,' }, { ...sound, require: 'A' }, { ...sound, require: `a@${hash.slice(1)}` }, { ...sound, require: `@${hash}` }]
  for (const given of wrong) assert.equal(query(given).success, false, JSON.stringify(given))
})

const experiments = `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: quiet}
faults: []
hold: 10s
gates: [{name: one, promql: {query: 'vector(1)', max: 2}}]
`

test('the operator requires experiments by name, or as they are, of which no other of the name counts', async () => {
  assert.deepEqual(parseRequirements('- pod-loss\n- redis-loss\n', 'shop.yaml'), { required: [{ experiment: 'pod-loss' }, { experiment: 'redis-loss' }] })
  const [written] = parseExperiments(experiments, 'shop.yaml').experiments
  assert.deepEqual(parseRequirements(experiments, 'shop.yaml'), { required: [{ experiment: 'quiet', hash: experimentIdentity(written?.document) }] })
  const folder = await mkdtemp(join(tmpdir(), 'requirements-'))
  try {
    await writeFile(join(folder, 'shop.yaml'), '[quiet]')
    for (const app of ['shop', 'jewelry/shop']) assert.deepEqual(await readRequirements(folder, app), { required: [{ experiment: 'quiet' }] })
    const { required, problem } = await readRequirements(folder, 'bank')
    assert.deepEqual(required, [])
    assert.match(problem ?? '', /^the question names no experiment, and bank\.yaml in the folder of requirements is none that can be read: no such file/)
  } finally {
    await rm(folder, { recursive: true })
  }
  assert.match((await readRequirements(undefined, 'shop')).problem ?? '', /release\.requirementsFolder/)
})

test('requirements that are not sound require nothing and say why', () => {
  for (const [text, why] of [['', /no document/], ['[]', /expected a list of experiments' names/], ['- pod_loss', /lower-case letters/], ['- 7', /expected a list/], ['pod-loss', /shop\.yaml:1:1/], ['- quiet\n---\n- loud\n', /found more after the list/], [`- quiet\n---\n${experiments}`, /found more after the list/], [experiments.replace('quiet', 'Quiet'), /metadata\.name/], ['[a', /shop\.yaml/]] as const) {
    const { required, problem } = parseRequirements(text, 'shop.yaml')
    assert.deepEqual(required, [], text)
    assert.match(problem ?? '', why)
  }
})
