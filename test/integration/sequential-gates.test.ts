import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { runFaultline } from '../parts/faultline-command.ts'
import { startPostgres } from '../parts/postgres.ts'
import { startShop } from '../parts/shop.ts'

const experiment = (host: string, faults: string, gates: string) => `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: evidence}
load: {users: 40, spawnRate: 40, host: '${host}', parameters: {think_scale: 0.2}}
faults: [${faults}]
hold: 8s
gates: [${gates}]
recovery: {within: 20s, stable: 1s}
`
const pause = '{kind: pause, target: {process: {match: gunicorn}}, at: 1s, duration: 20s}'
// ten seconds: requests that a busy machine keeps waiting are not what is tried here
const errors = (max: string) => `{name: errors, limit: rate, errorRate: {max: ${max}, timeout: 10s}}`
const spent = '{name: spent, limit: budget, requests: 200, availability: {min: 95%, timeout: 10s}}'
const quick = '{name: quick, limit: rate, block: 200ms, availability: {min: 99%, timeout: 300ms}}'
const judged = z.looseObject({
  run: z.string(), verdict: z.string(), reasons: z.array(z.string()), timings: z.looseObject({ breachToRevertedMs: z.number().nullable() }),
  gates: z.array(z.looseObject({ name: z.string(), verdict: z.string(), sequential: z.looseObject({ total: z.number(), bad: z.number(), missingRequests: z.number() }) })),
})

test('on the real shop a run passes with enough requests, is inconclusive with too few, and an outage is a breach by evidence', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sequential-'))
  const [temporary, file, results] = [join(folder, 'temporary'), join(folder, 'experiment.yaml'), join(folder, 'results')]
  mkdirSync(temporary)
  try {
    await using database = await startPostgres()
    await using shop = await startShop({ databaseUrl: database.url })
    const judge = async (exitCode: number, faults: string, ...gates: string[]) => {
      writeFileSync(file, experiment(shop.url, faults, gates.join(', ')))
      const { code, out, err } = await runFaultline(['run', file, '--allow', `shop=${shop.child.pid}`, '--results', results, '--json'], { temporary })
      assert.equal(code, exitCode, err + out)
      const judgement = judged.parse(JSON.parse(out))
      assert.match((await runFaultline(['replay', join(results, judgement.run)], { temporary })).out, new RegExp(`^${judgement.verdict}: byte-identical`))
      return judgement
    }
    const passed = await judge(0, '', errors('5%'), spent)
    assert.ok(passed.gates.every(({ verdict, sequential }) => verdict === 'passed' && sequential.missingRequests === 0 && sequential.total >= 59), JSON.stringify(passed.gates))

    const tooFew = await judge(2, '', errors('0.01%'), spent)
    assert.match(tooFew.reasons.join('\n'), /errors \(during\): .*; \d{5} more requests without a bad one were needed for a pass/)

    const failed = await judge(1, pause, quick)
    assert.match(failed.reasons.join('\n'), /quick: .*broken \d+ ms into the phase, with \d+ bad of \d+ requests; E = .* of 20 needed/)
    const { breachToRevertedMs } = failed.timings
    assert.ok(breachToRevertedMs !== null && breachToRevertedMs >= 0 && breachToRevertedMs < 5_000, `${breachToRevertedMs} ms`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
