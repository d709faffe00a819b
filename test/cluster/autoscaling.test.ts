import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { busyboxImage, deployment, provideBusyboxImage } from './busybox-image.ts'
import { waitFor } from './commands.ts'
import { createTestNamespace } from './test-namespace.ts'

await provideBusyboxImage()
const namespace = await createTestNamespace('test-autoscaling')
after(() => namespace[Symbol.asyncDispose]())

test('a HorizontalPodAutoscaler sees the CPU that pods use, and adds pods by itself', async () => {
  await namespace.apply(
    deployment('burner', 1, {
      containers: [{
        name: 'burner', image: busyboxImage, command: ['/bin/busybox', 'sh', '-c', 'while :; do :; done'],
        resources: { requests: { cpu: '20m' }, limits: { cpu: '60m' } }, // three times its request, and little of the machine
      }],
    }),
    {
      apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'burner' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'burner' }, minReplicas: 1, maxReplicas: 3,
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } }],
      },
    },
  )
  const utilization = () => namespace.kubectl('get', 'hpa', 'burner', '--output', 'jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}')
  await waitFor('CPU metric of the autoscaler', 180, async () => Number(await utilization()) > 70)
  await waitFor('third pod', 120, async () => (await namespace.kubectl('get', 'deployment', 'burner', '--output', 'jsonpath={.status.readyReplicas}')) === '3')
  const reason = await namespace.kubectl('get', 'hpa', 'burner', '--output', 'jsonpath={.status.conditions[?(@.type=="ScalingActive")].reason}')
  assert.equal(reason, 'ValidMetricFound')
})
