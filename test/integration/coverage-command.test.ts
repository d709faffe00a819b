import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { coverageSchema } from '#shared/coverage.ts'
import { runFaultline } from '../parts/faultline-command.ts'
import { pauseExperiment, runIn, startPauseRoom } from '../parts/pause-room.ts'

test('what a run on this machine says it tests is covered by its verdict, and the command tells it from the results', async () => {
  await using room = await startPauseRoom(pauseExperiment({ minimum: 0, duration: '2s' }))
  const { code, out, err } = await runIn(room, '--json', '--tests', 'worker=1.4', 'queue=2').ended
  assert.equal(code, 0, err + out)
  const [run = ''] = readdirSync(room.results)
  const page = join(room.results, 'coverage.html')
  const told = await runFaultline(['coverage', '--results', room.results, '--json', '--html', page], room)
  assert.equal(told.code, 0, told.err)
  const { services, unknown } = coverageSchema.parse(JSON.parse(told.out))
  assert.deepEqual(services.map(({ app, versions, present, cells }) => [app, versions, present, cells.map(cell => [cell.kind, cell.verdict, cell.run, cell.version, cell.stale])]), [
    ['queue', ['2'], true, [['pause', 'passed', run, '2', false]]],
    ['worker', ['1.4'], true, [['pause', 'passed', run, '1.4', false]]],
  ])
  assert.match(unknown ?? '', /no cluster was asked/)
  assert.match(readFileSync(page, 'utf8'), /✓ passed/)
})

test('options that cannot be exit 3, say what was expected, and start nothing', async () => {
  await using room = await startPauseRoom(pauseExperiment({ duration: '2s' }))
  for (const [args, why] of [
    [['run', room.file, '--allow', `worker=${room.worker.pid}`, '--tests', 'worker'], /expected a service and its version as APP=VERSION/],
    [['run', room.file, '--cluster', '--tests', 'worker=1'], /--cluster.* cannot be used with .*--tests/],
    [['coverage', '--cluster', '--results', room.results], /--cluster.* cannot be used with .*--results/],
    [['coverage', '--results', join(room.results, 'nowhere')], /there is no folder .*nowhere/],
    [['coverage', '--stale-after', 'soon'], /expected a duration such as/],
  ] as const) {
    const { code, err } = await runFaultline(args, room)
    assert.deepEqual([code, why.test(err)], [3, true], `${args.join(' ')}: ${err}`)
  }
})
