import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { experimentSchema } from '#shared/experiment.ts'
import { readExperimentFile } from '#shared/experiment-file.ts'
import { gateOnly } from '../../services/cli/gate-only.ts'

const written = (more: object = {}) => {
  const document = {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'pod-loss', labels: { team: 'shop' } }, description: 'does anybody notice?',
    load: { users: 5, host: 'http://127.0.0.1:8000' },
    faults: [{ kind: 'pause', target: { process: { match: 'worker' } }, at: '10s', duration: '20s' }],
    probes: [{ name: 'orders', http: { endpoint: 'orders', path: '/' } }],
    gates: [
      { name: 'calm', phase: 'steady', errorRate: { max: '1%' } }, { name: 'errors', errorRate: { max: '5%' }, window: '2s' },
      { name: 'again', phase: 'recovery', errorRate: { max: '1%' } }, { name: 'up', availability: { probe: 'orders', min: '99.9%' } },
    ],
    recovery: { within: '30s' },
    ...more,
  }
  return { document, experiment: experimentSchema.parse(document) }
}

test('the objectives of an experiment are judged without its faults, for the time that is asked, under the same load and with the same probes', () => {
  const { written: { document, experiment }, notes } = gateOnly(written(), 300_000)
  const { faults: _faults, gates: _gates, metadata: _metadata, ...rest } = written().document
  assert.deepEqual(document, {
    ...rest, metadata: { name: 'pod-loss-gate', labels: { team: 'shop' } }, faults: [], hold: '5m',
    gates: [
      { name: 'calm', phase: 'during', errorRate: { max: '1%' } }, { name: 'errors', phase: 'during', errorRate: { max: '5%' }, window: '2s' },
      { name: 'up', phase: 'during', availability: { probe: 'orders', min: '99.9%' } },
    ],
  })
  assert.deepEqual([experiment.name, experiment.holdMs, experiment.steadyMs, experiment.faults.length, experiment.probes.length, experiment.load?.users], ['pod-loss-gate', 300_000, 0, 0, 1, 5])
  assert.deepEqual(notes, ['pod-loss: judged for the whole time, not only at its begin: calm', 'pod-loss: left out, since there is nothing to recover from: again'])
})

test('where no time is asked, it is judged as long as the experiment holds its faults', () => {
  assert.equal(gateOnly(written()).written.experiment.holdMs, 20_000)
  assert.equal(gateOnly(written({ hold: '45s' })).written.experiment.holdMs, 45_000)
})

test('an experiment whose gates all time its recovery has nothing to judge', () => {
  assert.throws(() => gateOnly(written({ probes: [], gates: [{ name: 'again', phase: 'recovery', errorRate: { max: '1%' } }] })), { name: 'NothingToGate', exitCode: 3 })
})

test('gates that need more time than is asked are refused by name, before anything is started', () => {
  const counted = written({ hold: '5m', gates: [{ name: 'served', limit: 'rate', block: '30s', series: 'sum', errorRate: { max: '1%', total: 'a_total', bad: 'b_total' } }] })
  assert.throws(() => gateOnly(counted, 10_000), {
    name: 'GateImpossible', exitCode: 3,
    message: 'pod-loss cannot be judged for 10s without its faults: gates[0].block: expected at most 10s, as long as the gate is judged, found "30s"; change the file, or the time with --for',
  })
  const burning = written({ hold: '5m', gates: [{ name: 'budget', burnRate: { target: '99.9%', total: 'a_total', bad: 'b_total', max: 10, long: '1m' } }] })
  assert.throws(() => gateOnly(burning, 20_000), { name: 'GateImpossible', message: /gates\[0\]\.burnRate\.long: expected a range of at most 18s/ })
  assert.equal(gateOnly(burning, 90_000).written.experiment.holdMs, 90_000)
})

test('the name of the longest experiment leaves room, and the file itself is not changed', () => {
  const long = written({ metadata: { name: 'a'.repeat(63) } })
  const before = JSON.stringify(long.document)
  assert.equal(gateOnly(long).written.experiment.name, `${'a'.repeat(58)}-gate`)
  assert.equal(JSON.stringify(long.document), before)
})

test('every experiment that comes along can be a gate', async () => {
  const folder = fileURLToPath(new URL('../../k8s/experiments', import.meta.url))
  const files = globSync('**/*.yaml', { cwd: folder })
  assert.ok(files.length > 5)
  for (const file of files) {
    const { experiments, problems } = await readExperimentFile(`${folder}/${file}`)
    assert.deepEqual(problems, [], file)
    for (const one of experiments) assert.deepEqual(gateOnly(one, 60_000).written.experiment.faults, [], file)
  }
})
