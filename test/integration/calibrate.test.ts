import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { runFaultline } from '../parts/faultline-command.ts'
import { startPostgres } from '../parts/postgres.ts'
import { startShop } from '../parts/shop.ts'

const experiment = (gate: string, users = 20) => `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: stall}
load: {users: ${users}, spawnRate: 20, host: 'http://127.0.0.1:9', parameters: {think_scale: 0.2}}
faults:
  - {kind: pause, target: {process: {match: nobody-is-called-this}}, at: 2s, duration: 3s}
hold: 3s
gates: [${gate}]
`
const limited = '{name: errors, limit: rate, errorRate: {max: 5%, timeout: 10s}}'
const reportSchema = z.tuple([z.looseObject({
  experiment: z.string(), runs: z.array(z.string()), recordedMs: z.number(), outcome: z.string(), measuredAt: z.string(),
  gates: z.tuple([z.looseObject({ gate: z.string(), bad: z.number(), total: z.number() })]), asWritten: z.looseObject({ windows: z.number(), aborted: z.number(), atMost: z.number() }),
})])

test('the real shop is calibrated without its faults, again from what was recorded, and says that too little failed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'calibrate-'))
  const [temporary, file, results] = [join(folder, 'temporary'), join(folder, 'experiment.yaml'), join(folder, 'results')]
  mkdirSync(temporary)
  const calibrate = async (text: string, ...args: string[]) => {
    writeFileSync(file, text)
    return await runFaultline(['calibrate', file, ...args], { temporary })
  }
  try {
    await using database = await startPostgres()
    await using shop = await startShop({ databaseUrl: database.url })
    const measured = await calibrate(experiment(limited), '--for', '12s', '--host', shop.url, '--results', results, '--json')
    assert.equal(measured.code, 2, measured.err + measured.out)
    const [report] = reportSchema.parse(JSON.parse(measured.out))
    assert.deepEqual([report.experiment, report.runs.length, report.outcome, report.asWritten.aborted], ['stall', 1, 'unknown', 0])
    assert.ok(report.recordedMs >= 12_000 && report.asWritten.windows >= 4 && report.gates[0].total > 50, JSON.stringify(report))
    assert.match(report.runs[0] ?? '', /^stall-calibrate-/)
    assert.equal(readdirSync(results).length, 1)

    const again = await calibrate(experiment(limited), '--from', results, '--json')
    assert.equal(again.code, 2, again.err)
    const [recorded] = reportSchema.parse(JSON.parse(again.out))
    assert.deepEqual({ ...recorded, measuredAt: '' }, { ...report, measuredAt: '' })
    assert.equal(readdirSync(results).length, 1, 'no run is made')
    const told = await calibrate(experiment(limited), '--from', results)
    assert.match(told.out, /^experiment stall: 1 fault-free run, 1[2-5]\S*s in all; its gates are judged for 3s\n[^]*Too little failed to say[^]*\ncalibration:\n {2}measuredAt: '20/)

    assert.deepEqual(await calibrate(experiment(limited, 21), '--from', results).then(({ code, err }) => [code, /no recording has its load/.test(err)]), [3, true])
    assert.deepEqual(await calibrate(experiment('{name: plain, errorRate: {max: 5%}}'), '--from', results).then(({ code, err }) => [code, /no gate with a limit/.test(err)]), [3, true])
    assert.deepEqual(await calibrate(experiment(limited), '--runs', '0').then(({ code, err }) => [code, /--runs: expected a number of runs from 1 to 50/.test(err)]), [3, true])
    assert.deepEqual(await calibrate(experiment(limited), '--from', temporary).then(({ code, err }) => [code, /no run has left its events\.jsonl/.test(err)]), [3, true])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
