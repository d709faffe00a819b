import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { newCommandKeys } from '#shared/bus-nats.ts'
import { temporaryFolder } from '../parts/child.ts'
import { kubeConfigOf } from '../parts/kube-config.ts'
import { startNats } from '../parts/nats.ts'
import { serve } from '../parts/sample-recorder.ts'

const mainPath = fileURLToPath(new URL('../../services/injector/main.ts', import.meta.url))

/** How an agent ends that is connected to NATS and cannot begin. Fails when it does not end. */
async function startAgent(env: Record<string, string>): Promise<{ code: unknown; said: string }> {
  await using nats = await startNats()
  const child = spawn(process.execPath, [mainPath], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, FAULTLINE_NATS_URL: nats.servers, FAULTLINE_NATS_TOKEN: nats.token, FAULTLINE_COMMANDS_PUBLIC_KEY: newCommandKeys().commandKey, FAULTLINE_HTTP_PORT: '0', ...env },
  })
  try {
    const said = text(child.stderr)
    const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(20_000) }) as [unknown]
    return { code, said: await said }
  } finally {
    child.kill('SIGKILL')
  }
}

test('an agent that is set up wrongly says so and ends, although it is connected by then', async () => {
  using folder = temporaryFolder('failed-start')
  const { code, said } = await startAgent({ FAULTLINE_INJECTOR_DRIVER: 'nonsense', FAULTLINE_INJECTOR_STATE_FOLDER: folder.path })
  assert.equal(code, 3, said)
  assert.match(said, /DriverUnknown: injector.driver is "nonsense"/)
})

test('an API-side agent that finds the API server sick ends, so that it is started anew at once', async () => {
  using folder = temporaryFolder('failed-start')
  await using api = await serve((_, response) => void response.writeHead(503, { 'content-type': 'application/json' }).end('{"message":"etcd is away"}'))
  const kubeconfig = join(folder.path, 'kubeconfig')
  writeFileSync(kubeconfig, kubeConfigOf(api.url))
  const { code, said } = await startAgent({ FAULTLINE_INJECTOR_DRIVER: 'cluster', FAULTLINE_INJECTOR_NODE: 'cluster', FAULTLINE_INJECTOR_STATE_FOLDER: join(folder.path, 'state'), KUBECONFIG: kubeconfig, FAULTLINE_VOUCHERS_SIGNING_SEED: newCommandKeys().signingSeed })
  assert.equal(code, 4, said)
  assert.match(said, /the records of faults: etcd is away/)
})
