import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { busyboxImage, deployment, provideBusyboxImage, webContainer } from './busybox-image.ts'
import { inNamespace, run } from './commands.ts'
import { controlPlaneNamespace, nodeAddress, nodeNumbers } from './paths.ts'
import { settingsOfRunningCluster } from './settings.ts'
import { createTestNamespace } from './test-namespace.ts'
import { until } from '../parts/until.ts'

const { nodes } = settingsOfRunningCluster()
const nodePort = 30_480

/** Says its name once more each time it starts. From inside, PID 1 of a container cannot be killed, so it looks for a file. */
const endsWhenTold = 'busybox hostname >> /www/index.html; busybox httpd -p 8080 -h /www; until [ -e /end ]; do busybox sleep 0.2; done'

await provideBusyboxImage()
const namespace = await createTestNamespace('test-services')
after(() => namespace[Symbol.asyncDispose]())

await namespace.apply(
  deployment('web', nodes, {
    containers: [webContainer],
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app: 'web' } } }],
  }),
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080, nodePort }] } },
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 'store' }, spec: { clusterIP: 'None', selector: { app: 'store' }, ports: [{ port: 8080 }] } },
  {
    apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'store' },
    spec: {
      serviceName: 'store', replicas: 2, selector: { matchLabels: { app: 'store' } },
      template: {
        metadata: { labels: { app: 'store' } },
        spec: {
          terminationGracePeriodSeconds: 0, volumes: [{ name: 'data', emptyDir: {} }],
          containers: [{ ...webContainer, command: ['/bin/busybox', 'sh', '-c', endsWhenTold], volumeMounts: [{ name: 'data', mountPath: '/www' }] }],
        },
      },
    },
  },
)
await namespace.rolledOut('deployment/web')
await namespace.rolledOut('statefulset/store')

const podsOf = async (app: string) => (await namespace.kubectl('get', 'pods', '--selector', `app=${app}`, '--output', 'jsonpath={.items[*].metadata.name}')).split(' ')

/** What a pod is told at a URL; nothing where there is no answer: names and addresses of Services follow a pod's readiness by a second or two. */
const asked = async (pod: string, url: string): Promise<string> => (await namespace.exec(pod, '/bin/busybox', 'timeout', '5', '/bin/busybox', 'wget', '-q', '-O', '-', url).catch(() => '')).trim()

/** From the control plane's network, as people do it with `cluster:run`. */
const fetchText = (url: string) => run(inNamespace(controlPlaneNamespace, process.execPath, '-e',
  'fetch(process.argv[1], { signal: AbortSignal.timeout(5000) }).then(answer => answer.text()).then(text => process.stdout.write(text))', url))

test('topology spread puts one pod into each zone', async () => {
  const found = await namespace.kubectl('get', 'pods', '--selector', 'app=web', '--output', 'jsonpath={.items[*].spec.nodeName}')
  assert.deepEqual(found.split(' ').sort(), nodeNumbers(nodes).map(node => `n${node}`))
})

test('a Service answers by its DNS name in every pod, and leads to every pod, the asking one and its neighbours included', async () => {
  const pods = await podsOf('web')
  for (const pod of pods) {
    const web = `http://web.${namespace.name}.svc.cluster.local/`
    await until(`${web} answers ${pod}`, async () => await asked(pod, web) !== '', 30_000, { lookMs: 100 })
    const answers = new Set<string>()
    for (let tries = 0; tries < 60 && answers.size < pods.length; tries++) answers.add(await asked(pod, web))
    assert.deepEqual([...answers].sort(), pods.toSorted(), `asked by ${pod}`)
  }
})

test('a NodePort answers on the address of every node', async () => {
  const pods = await podsOf('web')
  for (const node of nodeNumbers(nodes)) assert.ok(pods.includes((await fetchText(`http://${nodeAddress(node)}:${nodePort}/`)).trim()), `on n${node}`)
})

test('a pod of a StatefulSet has a DNS name of its own, and its emptyDir survives the restart of its container', async () => {
  const [asking = ''] = await podsOf('web')
  const store = `http://store-1.store.${namespace.name}.svc.cluster.local:8080/`
  let said = ''
  const says = (expected: string) => until(`${store} says ${JSON.stringify(expected)}`, async () => (said = await asked(asking, store)) === expected, 30_000, { lookMs: 100, now: () => said })
  await says('store-1')
  await namespace.exec('store-1', '/bin/busybox', 'touch', '/end')
  await namespace.kubectl('wait', '--for', 'jsonpath={.status.containerStatuses[0].restartCount}=1', 'pod/store-1', '--timeout', '90s')
  await namespace.kubectl('wait', '--for', 'condition=Ready', 'pod/store-1', '--timeout', '90s')
  await says('store-1\nstore-1')
})

test('logs, and a command in a container, come through the API server', async () => {
  const [pod = ''] = await podsOf('web')
  assert.equal((await namespace.exec(pod, '/bin/busybox', 'hostname')).trim(), pod)
  await namespace.kubectl('run', 'speaker', '--image', busyboxImage, '--restart', 'Never', '--command', '--', '/bin/busybox', 'echo', 'said')
  await namespace.kubectl('wait', '--for', 'jsonpath={.status.phase}=Succeeded', 'pod/speaker', '--timeout', '90s')
  assert.equal((await namespace.kubectl('logs', 'speaker')).trim(), 'said')
})
