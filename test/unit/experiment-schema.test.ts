import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parseExperiments, readExperimentFile, renderProblem } from '#shared/experiment-file.ts'
import { experimentJsonSchema, schemaAt } from '#shared/experiment-schema.ts'
import { gateKinds } from '#shared/gate-kinds.ts'
import { faultKinds } from '#shared/registry.ts'
import { generatedFiles, inCheckout } from '../../services/cli/generate.ts'

const examples = new URL('../../k8s/experiments/local/', import.meta.url)
const inCluster = new URL('../../k8s/experiments/', import.meta.url)
const corpus = new URL('../corpus/experiments/valid/', import.meta.url)
const yamlFiles = [examples, inCluster, corpus].flatMap(folder => readdirSync(folder).filter(file => file.endsWith('.yaml')).map(file => new URL(file, folder)))
const accepts = new Ajv2020({ strict: true, strictRequired: false, allErrors: true, validateFormats: false }).compile(experimentJsonSchema)

for (const { path, text } of generatedFiles) {
  test(`${path} is what \`faultline generate\` writes today`, async () => {
    assert.equal(readFileSync(inCheckout(path), 'utf8'), await text())
  })
}

for (const url of yamlFiles) {
  test(`${url.pathname.split('/').slice(-2).join('/')} is an experiment, to faultline and to an editor`, async () => {
    const { experiments, problems } = await readExperimentFile(fileURLToPath(url))
    assert.deepEqual(problems.map(renderProblem), [])
    for (const { document } of experiments) assert.ok(accepts(document), JSON.stringify(accepts.errors))
  })
}

test('each example points editors to the schema', () => {
  for (const url of yamlFiles.filter(({ pathname }) => pathname.includes('/k8s/'))) {
    const [, schema] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(readFileSync(url, 'utf8')) ?? []
    assert.ok(schema && existsSync(new URL(schema, url)), url.pathname)
  }
})

test('an editor is told of an unknown key in every part of the file, and of a gate with no limit or with two', () => {
  const sound = JSON.stringify(parseExperiments(readFileSync(new URL('issue.yaml', corpus), 'utf8'), '').experiments[0]?.document)
  assert.ok(accepts(JSON.parse(sound)))
  for (const part of sound.matchAll(/\{/g)) {
    const changed = `${sound.slice(0, part.index)}{"holt":"1s",${sound.slice(part.index + 1)}`
    assert.equal(accepts(JSON.parse(changed)), false, changed)
  }
  const twoLimits = sound.replace('"errorRate":', '"availability":{"min":"99%"},"errorRate":')
  assert.notEqual(twoLimits, sound)
  assert.equal(accepts(JSON.parse(twoLimits)), false)
  assert.equal(accepts(JSON.parse(sound.replace('"errorRate":{"max":"1%"}', '"minRequests":5'))), false)
})

test('an editor can describe every key that is common to all experiments, and every kind', () => {
  const parts = [[], ['metadata'], ['load'], ['recovery'], ['gates', 0]]
  for (const path of parts) {
    const { properties = {} } = schemaAt(path, {}) ?? {}
    assert.ok(Object.keys(properties).length > 0)
    for (const [key, schema] of Object.entries(properties)) assert.ok(typeof schema === 'object' && schema.description, [...path, key].join('.'))
  }
  for (const kind of gateKinds.keys()) assert.ok(schemaAt(['gates', 0, kind], {})?.description, kind)
  for (const kind of faultKinds.keys()) assert.ok(schemaAt(['faults', 0, 'kind'], { faults: [{ kind }] })?.description, kind)
})
