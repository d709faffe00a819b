import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { runFaultline } from '../parts/faultline-command.ts'
import { startPostgres } from '../parts/postgres.ts'
import { startShop } from '../parts/shop.ts'

const experiment = (host: string, slowest: string) => `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: load-alone}
load: {users: 20, spawnRate: 20, host: '${host}'}
faults: []
hold: 6s
gates:
  - {name: calm, phase: steady, errorRate: {max: 1%, timeout: 10s}, minRequests: 1}
  - {name: errors, errorRate: {max: 1%, timeout: 10s}, minRequests: 1}
  - {name: p95, latency: {quantile: 0.95, max: ${slowest}}, minRequests: 1}
`
const events = z.array(z.object({ fact: z.looseObject({ type: z.string(), data: z.looseObject({}) }) }))

test('an experiment without faults loads the real shop, is judged by the gates of its hold, and replays to the same bytes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultless-'))
  const [temporary, file] = [join(folder, 'temporary'), join(folder, 'experiment.yaml')]
  mkdirSync(temporary)
  try {
    await using database = await startPostgres()
    await using shop = await startShop({ databaseUrl: database.url })
    for (const [slowest, exitCode, verdict, path] of [['10s', 0, 'passed', ['load', 'steady', 'hold', 'end']], ['1ms', 1, 'failed', ['load', 'steady', 'hold']]] as const) {
      writeFileSync(file, experiment(shop.url, slowest))
      const { code, out, err } = await runFaultline(['run', file, '--results', join(folder, 'results'), '--json'], { temporary })
      assert.equal(code, exitCode, err + out)
      const judgement = z.looseObject({ run: z.string(), verdict: z.string(), recovery: z.null(), load: z.looseObject({ requests: z.number(), failures: z.number() }) }).parse(JSON.parse(out))
      assert.equal(judgement.verdict, verdict)
      const results = join(folder, 'results', judgement.run)
      const lines = events.parse(readFileSync(join(results, 'events.jsonl'), 'utf8').trim().split('\n').map(line => JSON.parse(line) as unknown))
      assert.deepEqual(lines.flatMap(({ fact: { type, data } }) => type === 'dev.faultline.run.phase' ? [data['phase']] : []), path)
      assert.deepEqual(lines.filter(({ fact }) => fact.type.includes('.fault.')), [])
      const locust = z.looseObject({ stats: z.array(z.looseObject({ name: z.string(), num_requests: z.number(), num_failures: z.number() })) })
        .parse(JSON.parse(readFileSync(join(results, 'locust-stats.json'), 'utf8'))).stats.find(({ name }) => name === 'Aggregated')
      assert.deepEqual([locust?.num_requests, locust?.num_failures], [judgement.load.requests, judgement.load.failures], 'Locust has counted otherwise')
      assert.match((await runFaultline(['replay', results], { temporary })).out, new RegExp(`^${verdict}: byte-identical`))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
