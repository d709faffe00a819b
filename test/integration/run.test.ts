import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { untilNothingIsLeft } from '../parts/belongings.ts'
import { runFaultline } from '../parts/faultline-command.ts'
import { pauseExperiment, runIn, startPauseRoom, untilPaused, type PauseRoom } from '../parts/pause-room.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'
import { until } from '../parts/until.ts'

async function inRoom(text: string, use: (room: PauseRoom) => Promise<void>): Promise<void> {
  await using room = await startPauseRoom(text)
  await use(room)
  assert.deepEqual(readdirSync(room.temporary), [], 'a temporary folder is left')
}

test('an experiment whose gates hold exits 0, one whose gate breaks exits 1, and both replay to the same bytes', async () => {
  for (const [minimum, exitCode, verdict] of [[0, 0, 'passed'], [50, 1, 'failed']] as const) {
    await inRoom(pauseExperiment({ minimum, duration: '6s' }), async room => {
      const { code, out, err } = await runIn(room, '--json').ended
      assert.equal(code, exitCode, err + out)
      const judgement = JSON.parse(out) as { run: string; verdict: string }
      assert.equal(judgement.verdict, verdict)
      const results = join(room.results, judgement.run)
      assert.deepEqual(readdirSync(results).sort(), ['events.jsonl', 'junit.xml', 'report.html', 'report.json', 'report.md', 'verdict.json'])
      const replayed = await runFaultline(['replay', results], room)
      assert.match(replayed.out, new RegExp(`^${verdict}: byte-identical`))
      assert.ok(!room.isPaused())
    })
  }
})

test('SIGKILL of the command in mid-fault: the fault is reverted within its lease, and no process or folder is left', () => onSteadyMachine(async () => {
  await inRoom(pauseExperiment(), async room => {
    await using command = runIn(room, '--json')
    await untilPaused(room, command.ended)
    command.child.kill('SIGKILL')
    await command.ended
    await until('the worker goes on', () => !room.isPaused(), 4_000)
    await untilNothingIsLeft(room.temporary, new Set(), 15_000)
  })
}))

test('SIGINT ends a run as inconclusive, with its fault reverted', async () => {
  await inRoom(pauseExperiment(), async room => {
    await using command = runIn(room, '--json')
    await untilPaused(room, command.ended)
    command.child.kill('SIGINT')
    const { code, err } = await command.ended
    assert.equal(code, 2, err)
    assert.ok(!room.isPaused())
  })
})

test('an invalid file, an unknown command and a process that is not there exit 3 and start nothing', async () => {
  await inRoom('kind: Experiment\n', async room => {
    const { code, err } = await runIn(room).ended
    assert.equal(code, 3)
    assert.match(err, /experiment\.yaml:\d+:\d+/)
    writeFileSync(room.file, pauseExperiment({ duration: '5s' }))
    assert.equal((await runIn({ ...room, worker: { ...room.worker, pid: 999_999_999 } }).ended).code, 3)
    assert.equal((await runFaultline(['no-such-command'], room)).code, 3)
    const nothingOptedIn = await runFaultline(['run', room.file], room)
    assert.deepEqual([nothingOptedIn.code, /--allow NAME=PID/.test(nothingOptedIn.err)], [3, true], nothingOptedIn.err)
    writeFileSync(room.file, pauseExperiment({ duration: '5s' }).replace('hold:', "load: {users: 1, host: 'http://127.0.0.1:9', locustfile: gone.py}\nhold:"))
    const noLocustfile = await runIn(room).ended
    assert.deepEqual([noLocustfile.code, /there is no .*gone\.py/.test(noLocustfile.err)], [3, true], noLocustfile.err)
  })
})
