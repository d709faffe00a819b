import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { readExperimentFile } from '#shared/experiment-file.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { noLookBefore } from '../../services/cli/plan/look-before.ts'

const pause = { kind: 'pause', target: { process: { match: 'worker' } }, at: '10s', duration: '30s' }
const errors = (phase?: string) => ({ name: 'errors', errorRate: { max: '1%' }, ...(phase !== undefined && { phase }) })
const told = (more: object) => noLookBefore(experimentSchema.parse({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'looks' }, load: { users: 5, host: 'http://127.0.0.1:8000' }, faults: [pause], gates: [errors()], ...more,
}))

test('an experiment whose gates judge only the fault and the recovery is told that nobody looks before', () => {
  assert.match(told({}) ?? '', /^no gate looks .* nothing is done before a gate with phase: steady holds$/)
  assert.match(told({ gates: [errors('during'), { ...errors('recovery'), name: 'again' }] }) ?? '', /^no gate looks/)
})

test('where the first fault comes at once there is no room for that gate either, and it says so', () => {
  assert.match(told({ faults: [{ ...pause, at: '0s' }] }) ?? '', /steady holds, which takes an at of 1s or more for each fault$/)
})

test('one gate that looks before is enough, and a probe, which must have worked once; without faults nothing is done', () => {
  assert.equal(told({ gates: [{ ...errors('steady'), name: 'healthy' }, errors()] }), undefined)
  assert.equal(told({ probes: [{ name: 'home', http: { endpoint: 'shop', path: '/' } }] }), undefined)
  assert.equal(told({ faults: [], hold: '30s' }), undefined)
})

test('each experiment that comes with faultline looks before it does anything', async () => {
  const files = globSync('k8s/experiments/**/*.yaml', { cwd: resolve(import.meta.dirname, '../..') })
  assert.ok(files.length > 10)
  for (const file of files) {
    const { experiments, problems } = await readExperimentFile(resolve(import.meta.dirname, '../..', file))
    assert.deepEqual(problems, [])
    for (const { experiment } of experiments) assert.equal(noLookBefore(experiment), undefined, file)
  }
})
