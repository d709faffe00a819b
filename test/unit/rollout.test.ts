import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { awaitRollout, ImageUnavailable, NotRolledOut, podsThere } from '../../services/cli/deploy/rollout.ts'
import { KubectlFailed } from '../../services/cli/deploy/kubectl.ts'
import { until } from '../parts/until.ts'

/** No cluster here: a program called kubectl that answers as one, so that what is tested is the waiting, and what it ends. */
async function withKubectl(answers: { rollout: string; pods: object[]; events?: object[] | 'forbidden' }, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'faultline-kubectl-'))
  const path = process.env['PATH'] ?? ''
  try {
    await writeFile(join(folder, 'workload.json'), JSON.stringify({ metadata: { uid: 'uid-of-nats' }, spec: { selector: { matchLabels: { app: 'nats' } }, template: { spec: { containers: [{ name: 'nats', image: 'localhost/faultline/nats:dev' }] } } } }))
    if (answers.events !== 'forbidden') await writeFile(join(folder, 'events.json'), JSON.stringify({ items: answers.events ?? [] }))
    await writeFile(join(folder, 'pods.json'), JSON.stringify({ items: answers.pods }))
    await writeFile(join(folder, 'kubectl'), `#!/bin/sh
case "$*" in
  'get pods --namespace n --output jsonpath'*) echo 'uid-1 uid-2' ;;
  'get statefulset/nats --namespace n '*) cat '${folder}/workload.json' ;;
  'get events --field-selector reason=FailedCreate,involvedObject.name=nats --namespace n '*) cat '${folder}/events.json' ;;
  'get pods --selector app=nats --namespace n '*) cat '${folder}/pods.json' ;;
  'rollout status statefulset/nats --namespace n --timeout=50s') echo $$ > '${folder}/pid'; ${answers.rollout} ;;
  *) echo "not expected: $*" >&2; exit 64 ;;
esac
`)
    await chmod(join(folder, 'kubectl'), 0o755)
    process.env['PATH'] = `${folder}${delimiter}${path}`
    await use(folder)
  } finally {
    process.env['PATH'] = path
    await rm(folder, { recursive: true })
  }
}

const stuck = (reason: string, message: string) => ({
  metadata: { name: 'nats-0', uid: 'uid-3' }, spec: { nodeName: 'node-1', containers: [{ name: 'nats', image: 'localhost/faultline/nats:dev' }] },
  status: { phase: 'Pending', containerStatuses: [{ name: 'nats', ready: false, restartCount: 0, state: { waiting: { reason, message } }, lastState: {} }] },
})
const rollout = { namespace: 'n', workload: 'statefulset/nats', patienceS: 50, earlier: new Set<string>() }
const isThere = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('an image that nobody will pull ends the wait early, and kubectl with it', async () => {
  await withKubectl({ rollout: 'exec sleep 50', pods: [stuck('ErrImageNeverPull', 'is not present')] }, async folder => {
    const said: string[] = []
    await assert.rejects(awaitRollout(rollout, line => said.push(line)), (error: unknown) => error instanceof ImageUnavailable
      && error.message.startsWith('statefulset/nats in n cannot become ready: pod nats-0 on node-1: container nats: ErrImageNeverPull: is not present; put it on the nodes, npm run images -- --load'))
    assert.deepEqual(said.map(line => line.slice(0, 22)), ['waiting for statefulse', 'pod nats-0 on node-1: '])
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'))
    assert.ok(pid > 0)
    await until('kubectl has ended', () => !isThere(pid), 5_000)
  })
})

test('what is not ready in time is told with kubectl\'s words and why; a rollout that is done says nothing more', async () => {
  const timesOut = 'echo "error: timed out waiting for the condition" >&2; exit 1'
  await withKubectl({ rollout: timesOut, pods: [stuck('ContainerCreating', '')] }, async () => {
    await assert.rejects(awaitRollout(rollout, () => {}), (error: unknown) => error instanceof NotRolledOut && error.exitCode === 4
      && error.message.endsWith('timed out waiting for the condition; pod nats-0 on node-1: container nats: ContainerCreating'))
  })
  await withKubectl({ rollout: timesOut, pods: [stuck('ContainerCreating', '')], events: 'forbidden' }, async () => {
    await assert.rejects(awaitRollout(rollout, () => {}), { message: /; pod nats-0 on node-1: container nats: ContainerCreating$/ })
  })
  await withKubectl({ rollout: timesOut, pods: [], events: [{ metadata: {}, lastTimestamp: '2026-11-28T15:00:00Z', reason: 'FailedCreate', message: 'create Pod nats-0 in StatefulSet nats failed error: exceeded quota: small' }] }, async () => {
    await assert.rejects(awaitRollout(rollout, () => {}), (error: unknown) => error instanceof NotRolledOut
      && error.message.includes('timed out waiting for the condition; a pod of it cannot be made: FailedCreate: create Pod nats-0 in StatefulSet nats failed error: exceeded quota: small; kubectl --namespace n '))
  })
  await withKubectl({ rollout: timesOut, pods: [] }, async () => {
    await assert.rejects(awaitRollout(rollout, () => {}), (error: unknown) => error instanceof KubectlFailed && error.message.endsWith('timed out waiting for the condition'))
  })
  await withKubectl({ rollout: 'exit 0', pods: [stuck('ErrImageNeverPull', 'is not present')] }, async () => {
    const said: string[] = []
    await awaitRollout(rollout, line => said.push(line))
    assert.deepEqual(said, ['waiting for statefulset/nats'])
    assert.deepEqual(await podsThere('n'), new Set(['uid-1', 'uid-2']))
  })
})
