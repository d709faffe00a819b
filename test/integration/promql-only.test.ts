import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Judgement } from '#shared/verdict.ts'
import { startSession, type Session } from '../../services/cli/local/session.ts'
import { startShop } from '../../services/cli/local/shop.ts'
import { replay } from '../../services/cli/replay.ts'
import { runExperiment } from '../../services/cli/run.ts'
import { onSteadyMachine } from '../parts/steady-machine.ts'

/**
 * The stream of load samples decides nothing here: every gate asks the session's Prometheus, which scrapes once a second. The verdict's
 * own dating of the breach still comes from the raw samples, so what scraping costs is in the time that is held against the bar.
 */
const gates = {
  errorRate: { errorRate: { max: '5%' } },
  latency: { latency: { quantile: 0.95, max: '2s' } },
  availability: { availability: { min: '95%', timeout: '2s' } },
}

/** A database that does not answer breaks each of them; one dead worker of four breaks none. */
const faults = {
  breaking: { kind: 'pause', target: { process: { match: 'postgres' } }, at: '2s', duration: '20s' },
  harmless: { kind: 'kill', target: { process: { match: 'gunicorn: worker', pick: 'one' } }, at: '2s', signal: 'SIGKILL' },
}

const folder = mkdtempSync(join(tmpdir(), 'promql-only-'))
let session: Session
let host = ''
before(async () => {
  session = await startSession({
    services: 'embedded',
    async subject(children, own) {
      const shop = await startShop(children, own, () => undefined)
      host = shop.url
      return shop
    },
  })
})
after(async () => {
  await session[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function judged(gate: keyof typeof gates, fault: keyof typeof faults): Promise<Judgement> {
  const { judgement, folder: results } = await runExperiment({
    address: session, lost: session.lost, abortSignal: new AbortController().signal, progress: 'none', file: 'promql-only.test.ts', resultsFolder: folder,
    document: {
      apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: `${gate.toLowerCase()}-${fault}` },
      load: { users: 40, spawnRate: 40, host },
      faults: [faults[fault]],
      gates: [{ name: 'only', phase: 'during', source: 'prometheus', ...gates[gate] }],
      hold: '8s',
      recovery: { within: '30s', stable: '1s' },
    },
  })
  assert.deepEqual(judgement.gates.map(({ source }) => source), ['prometheus'])
  assert.ok((await replay(results)).identical, 'its own log does not give the same verdict')
  return judgement
}

for (const gate of ['errorRate', 'latency', 'availability'] as const) {
  test(`PromQL alone on ${gate} aborts a run whose database is paused, which has failed and is reverted within 3 s of the breach`, t => onSteadyMachine(async () => {
    const { verdict, reasons, faults: [fault], timings: { breachToAbortMs, breachToRevertedMs } } = await judged(gate, 'breaking')
    t.diagnostic(`${gate}: breach to abort ${breachToAbortMs} ms, breach to reverted ${breachToRevertedMs} ms`)
    assert.equal(verdict, 'failed', reasons.join('; '))
    assert.deepEqual([fault?.cause, fault?.verified], ['abort', true])
    assert.ok(breachToRevertedMs !== null && breachToRevertedMs < 3_000, `breach to reverted: ${breachToRevertedMs} ms`)
  }))

  test(`PromQL alone on ${gate} passes a run whose web server loses one worker`, async () => {
    const { verdict, reasons, gates: [seen], faults: [fault] } = await judged(gate, 'harmless')
    assert.equal(verdict, 'passed', reasons.join('; '))
    assert.equal(fault?.verified, true)
    assert.ok((seen?.looks.filter(({ value }) => value !== null).length ?? 0) >= 5, 'a gate that has looked at nothing passes nothing')
  })
}
