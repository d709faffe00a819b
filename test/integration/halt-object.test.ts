import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { KubeConfig } from '@kubernetes/client-node'
import { pino } from 'pino'
import { z } from 'zod'
import { lookForHalt } from '../../services/scheduler/halt-config-map.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startFaultline } from '../parts/faultline-command.ts'
import { kubeConfigOf } from '../parts/kube-config.ts'
import { serve } from '../parts/sample-recorder.ts'
import { until } from '../parts/until.ts'

const objectSchema = z.looseObject({ metadata: z.looseObject({ name: z.string().optional(), annotations: z.record(z.string(), z.string()).default({}) }), data: z.record(z.string(), z.string()).optional() })
type StoredObject = z.output<typeof objectSchema>

const namespacePath = '/api/v1/namespaces/faultline-system'

/**
 * Three paths of an API server, for where none can run (test/cluster has a real one): ConfigMaps made, read and deleted, pods listed and patched.
 * There is no Secret, as when faultline's scheduler cannot be asked.
 */
async function startApiServer(podNames: readonly string[]) {
  const configMaps = new Map<string, StoredObject>()
  const pods = new Map<string, StoredObject>(podNames.map(name => [name, { metadata: { name, annotations: {} } }]))
  let isSick = false

  async function answerTo(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    if (isSick) return { status: 500, body: { message: 'etcd is away' } }
    const { pathname } = new URL(request.url ?? '', 'http://api')
    const [kind, name = ''] = pathname.slice(namespacePath.length + 1).split('/')
    const read = async () => objectSchema.parse(await json(request))
    if (kind === 'configmaps' && request.method === 'POST') {
      const made = { ...await read() }
      const key = made.metadata.name ?? ''
      if (configMaps.has(key)) return { status: 409, body: { message: 'it exists' } }
      made.metadata = { ...made.metadata, creationTimestamp: '2026-03-01T10:00:00Z' }
      configMaps.set(key, made)
      return { status: 201, body: made }
    }
    if (kind === 'pods' && request.method === 'GET') return { status: 200, body: { items: [...pods.values()] } }
    if (kind === 'pods' && request.method === 'PATCH') {
      const pod = pods.get(name)
      assert.ok(pod)
      Object.assign(pod.metadata.annotations, (await read()).metadata.annotations)
      return { status: 200, body: pod }
    }
    const found = kind === 'configmaps' ? configMaps.get(name) : undefined
    if (found && request.method === 'DELETE') configMaps.delete(name)
    return found ? { status: 200, body: found } : { status: 404, body: { message: 'not found' } }
  }

  const server = await serve((request, response) => {
    void answerTo(request).then(({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)))
  })
  return { url: server.url, configMaps, pods, sicken: (now: boolean) => { isSick = now }, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

test('a scheduler finds the ConfigMap within two seconds, holds to what it saw while the API server is sick, and lets go when it is gone', async () => {
  await using api = await startApiServer([])
  const kubernetes = new KubeConfig()
  kubernetes.loadFromString(kubeConfigOf(api.url))
  const halt = await lookForHalt({ kubernetes, namespace: 'faultline-system', log: pino({ level: 'silent' }) })
  try {
    assert.equal(halt.findHalt(), undefined)
    api.configMaps.set('faultline-halt', { metadata: { name: 'faultline-halt', annotations: {}, creationTimestamp: '2026-03-01T10:00:00Z' }, data: { halt: 'release today\nmore' } })
    await until('it is found', () => halt.findHalt() !== undefined, 5_000)
    const found = { where: 'the ConfigMap faultline-halt', why: 'release today', sinceMs: Date.UTC(2026, 2, 1, 10) }
    assert.deepEqual(halt.findHalt(), found)
    api.sicken(true)
    const again = await lookForHalt({ kubernetes, namespace: 'faultline-system', log: pino({ level: 'silent' }) }) // its own look has come back with the error
    again.stop()
    assert.deepEqual([halt.findHalt(), again.findHalt()], [found, undefined])
    api.sicken(false)
    api.configMaps.clear()
    await until('it is gone', () => halt.findHalt() === undefined, 5_000)
  } finally {
    halt.stop()
  }
})

test('halt --cluster makes the ConfigMap when no scheduler can be asked, says so, and has every pod look at once; resume --cluster takes it away', async () => {
  await using api = await startApiServer(['injector-1', 'locust-bridge-1'])
  using folder = temporaryFolder('halt-object')
  const kubeconfig = join(folder.path, 'kubeconfig')
  writeFileSync(kubeconfig, kubeConfigOf(api.url))
  process.env['KUBECONFIG'] = kubeconfig // of the commands below
  const faultline = (...words: string[]) => startFaultline(words, { temporary: folder.path }).ended

  const halted = await faultline('halt', '--cluster', 'release', 'today')
  assert.deepEqual([halted.code, api.configMaps.get('faultline-halt')?.data], [0, { halt: 'release today\n' }], halted.err)
  assert.match(halted.err, /^the scheduler could not be asked: faultline is not installed/)
  assert.match(halted.out, /^halted by the ConfigMap faultline-halt in faultline-system: release today; the pods of faultline \(2\) look within seconds/)
  const areTold = () => {
    const told = [...api.pods.values()].map(({ metadata }) => metadata.annotations['faultline.dev/halt-told'])
    assert.ok(told.every(date => date !== undefined && !Number.isNaN(Date.parse(date))), String(told))
  }
  areTold()

  const again = await faultline('halt', '--cluster', '--file', 'another', 'word')
  assert.deepEqual([again.code, again.err, api.configMaps.get('faultline-halt')?.data], [0, '', { halt: 'release today\n' }])

  const resumed = await faultline('resume', '--cluster')
  assert.equal(resumed.code, 4)
  assert.match(resumed.out, /^the ConfigMap faultline-halt is gone from faultline-system; /)
  assert.match(resumed.err, /ClusterUnready: faultline is not installed/)
  assert.equal(api.configMaps.size, 0)

  for (const { metadata } of api.pods.values()) metadata.annotations = {}
  assert.equal((await faultline('resume', '--cluster')).code, 4)
  areTold() // one that somebody else took away still lies in their mounts, be it in an agent's alone
})
