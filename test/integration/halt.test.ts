import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { haltFiles, removeHaltFile, writeHaltFile } from '#shared/halt-file.ts'
import { RequestRefused, type ApiClient } from '../../services/cli/api-client.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startNats } from '../parts/nats.ts'
import { apiToken, serveScheduler, type ServedScheduler } from '../parts/served-scheduler.ts'

const experiment = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'waits' },
  faults: [{ kind: 'pause', target: { process: { match: 'worker' } }, at: '60s', duration: '1s' }],
  gates: [{ name: 'one', promql: { query: 'vector(1)', max: 2 } }],
}

const get = ({ url }: ServedScheduler, path: string): Promise<Response> => fetch(url + path, { headers: { authorization: `Bearer ${apiToken}` } })

async function sealed(client: ApiClient, run: string): Promise<string[]> {
  const seen: string[] = []
  const watching = new AbortController()
  try {
    for await (const { kind, fact } of client.facts(run, watching.signal)) {
      seen.push(kind === 'run.aborting' ? `${kind}: ${z.object({ detail: z.string() }).parse(fact.data).detail}` : kind)
      if (kind === 'run.sealed') watching.abort() // nobody judges here
    }
  } catch (error) {
    assert.ok(watching.signal.aborted, String(error))
  }
  return seen
}

test('halt aborts what is under way and has new runs refused, by the next scheduler too; resume takes them again', async () => {
  await using nats = await startNats()
  {
    await using first = await serveScheduler(nats)
    const run = await first.client.submit(experiment, 'waits.yaml')
    assert.equal(await first.client.halt('release today'), 'halted by a user: release today; nothing runs until faultline resume')
    assert.match((await sealed(first.client, run)).find(kind => kind.startsWith('run.aborting')) ?? '', /^run\.aborting: halted by a user since .*: release today$/)
    await assert.rejects(first.client.submit(experiment, 'waits.yaml'), (error: unknown) => error instanceof RequestRefused && /409.*halted by a user.*release today/.test(error.message))
    assert.equal(first.scheduler.runs().length, 1)
  }
  await using second = await serveScheduler(nats)
  assert.equal(z.object({ halted: z.boolean() }).parse(await (await get(second, '/api/v1/halt')).json()).halted, true)
  assert.match(await (await get(second, '/metrics')).text(), /^faultline_halted\{service="scheduler"\} 1$/m)
  await assert.rejects(second.client.submit(experiment, 'waits.yaml'), RequestRefused)
  assert.equal(await second.client.resume(), 'runs are taken again')
  const again = await second.client.submit(experiment, 'waits.yaml')
  assert.equal(await second.client.abort(again), true)
  assert.match(await (await get(second, '/metrics')).text(), /^faultline_halted\{service="scheduler"\} 0$/m)
})

test('a halt file aborts what is under way, has nothing renewed and new runs refused by its name, by the next scheduler too, until it is taken away', async () => {
  await using nats = await startNats()
  using folder = temporaryFolder('halt')
  const file = join(folder.path, 'halt')
  const isHalted = /halted by the file \S+ since \S+: release today/
  {
    await using first = await serveScheduler(nats, { findHalt: haltFiles([file]) })
    const run = await first.client.submit(experiment, 'waits.yaml')
    await new Promise<void>(resolve => { first.bus.onSignal('heartbeat', run, () => resolve()) })
    let beats = 0
    first.bus.onSignal('heartbeat', run, () => { beats += 1 })
    writeHaltFile(file, 'release today')
    await assert.rejects(first.client.submit(experiment, 'waits.yaml'), (error: unknown) => error instanceof RequestRefused && /409/.test(error.message) && isHalted.test(error.message))
    assert.match((await sealed(first.client, run)).find(kind => kind.startsWith('run.aborting')) ?? '', isHalted)
    assert.ok(beats <= 1, `${beats} heartbeats came after the halt`) // one may have been on its way
  }
  await using second = await serveScheduler(nats, { findHalt: haltFiles([file]) })
  assert.match(await second.client.resume(), /^halted by the file \S+: release today; nothing runs until faultline resume$/)
  await assert.rejects(second.client.submit(experiment, 'waits.yaml'), RequestRefused)
  assert.match(await (await get(second, '/metrics')).text(), /^faultline_halted\{service="scheduler"\} 1$/m)
  removeHaltFile(file)
  assert.equal(await second.client.resume(), 'runs are taken again')
  assert.equal(await second.client.abort(await second.client.submit(experiment, 'waits.yaml')), true)
})
