import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { JournalEntry } from '../../services/injector/journal.ts'
import { temporaryFolder } from '../parts/child.ts'
import { kubeConfigOf } from '../parts/kube-config.ts'
import { serve } from '../parts/sample-recorder.ts'
import { until } from '../parts/until.ts'

const restorerPath = fileURLToPath(new URL('../../services/injector/restorer.ts', import.meta.url))
const leasesPath = '/apis/coordination.k8s.io/v1/namespaces/faultline-system/leases'
const scalePath = '/apis/apps/v1/namespaces/shop/deployments/web/scale'
const scaleSchema = z.object({ spec: z.object({ replicas: z.int() }) })
const entry: JournalEntry = {
  id: 'f1', run: 'r', fault: '1-scale', kind: 'scale', bootId: 'another', targets: [],
  undos: [{ undo: 'scale-back', kind: 'Deployment', namespace: 'shop', name: 'web', uid: 'u1', from: 3, to: 0 }],
}

const silentOnce = [`GET ${leasesPath}/fault-f1`, `PATCH ${scalePath}`]

/**
 * As much of an API server as a restorer asks (test/cluster has a real one), with the record of a fault that nobody renews. Two of its requests are taken and never
 * answered, as by a server that stands still behind a load balancer; watches hear nothing.
 */
async function startSilentApiServer() {
  const unanswered: string[] = []
  let replicas = 0
  let reverted: string | undefined
  const record = () => ({
    metadata: { name: 'fault-f1', namespace: 'faultline-system', resourceVersion: '7', annotations: { 'faultline.dev/entry': JSON.stringify(entry), 'faultline.dev/remaining-ms': '0', ...(reverted !== undefined && { 'faultline.dev/reverted': reverted }) } },
  })
  async function answerTo(request: IncomingMessage, pathname: string): Promise<object> {
    if (pathname === leasesPath) return { metadata: { resourceVersion: '7' }, items: [record()] }
    if (pathname === scalePath) {
      if (request.method === 'PATCH') replicas = scaleSchema.parse(await json(request)).spec.replicas
      return { metadata: { uid: 'u1', resourceVersion: '1' }, spec: { replicas } }
    }
    if (request.method === 'PATCH') reverted = '{}'
    return record()
  }

  const server = await serve((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://api')
    const asked = `${request.method} ${pathname}`
    if (searchParams.has('watch')) {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
      return
    }
    if (silentOnce.includes(asked) && !unanswered.includes(asked)) {
      unanswered.push(asked)
      return
    }
    void answerTo(request, pathname).then(body => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)))
  })
  return { ...server, unanswered, replicas: () => replicas, isMarked: () => reverted !== undefined }
}

test('a restorer whose questions are taken by the API server and never answered asks again, and ends the fault', { timeout: 90_000 }, async () => {
  await using api = await startSilentApiServer()
  using folder = temporaryFolder('silent-api')
  const kubeconfig = join(folder.path, 'kubeconfig')
  writeFileSync(kubeconfig, kubeConfigOf(api.url))
  const restorer = spawn(process.execPath, [restorerPath], { stdio: 'ignore', env: { ...process.env, KUBECONFIG: kubeconfig, FAULTLINE_HTTP_PORT: '0' } })
  const ended = once(restorer, 'exit')
  try {
    await until('the deployment is scaled back', () => api.replicas() === 3, 45_000)
    await until('the record says so', api.isMarked, 20_000)
    assert.deepEqual(api.unanswered, silentOnce)
  } finally {
    restorer.kill('SIGKILL')
    await ended
  }
})
