import assert from 'node:assert/strict'
import { test } from 'node:test'
import { notReady, nothingSeen, podsOf, printNotReady, pullsForMs, refusedPod, watch, type NotReady } from '../../services/cli/deploy/not-ready.ts'

const image = 'localhost/faultline/services:dev'
const workload = {
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'scheduler', namespace: 'faultline-system' },
  spec: {
    replicas: 2, selector: { matchLabels: { 'app.kubernetes.io/name': 'scheduler', 'app.kubernetes.io/part-of': 'faultline' } },
    template: { metadata: {}, spec: { initContainers: [{ name: 'keys', image }], containers: [{ name: 'scheduler', image, imagePullPolicy: 'IfNotPresent' }] } },
  },
}
const condition = (type: string, status: string, more: object = {}) => ({ type, status, lastProbeTime: null, lastTransitionTime: '2026-11-28T15:00:00Z', ...more })
const unready = [condition('PodScheduled', 'True'), condition('Initialized', 'True'), condition('Ready', 'False', { reason: 'ContainersNotReady', message: 'containers with unready status: [scheduler]' })]
const containerStatus = (state: object, more: object = {}) => ({ name: 'scheduler', image, imageID: '', ready: false, started: false, restartCount: 0, state, lastState: {}, ...more })
/** As `kubectl get pods --output json` has them. */
const pod = (name: string, status: object, { spec = {}, metadata = {} }: { spec?: object; metadata?: object } = {}) => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'faultline-system', uid: `uid-of-${name}`, creationTimestamp: '2026-11-28T15:00:00Z', ...metadata },
  spec: { nodeName: 'node-1', restartPolicy: 'Always', initContainers: [{ name: 'keys', image }], containers: [{ name: 'scheduler', image }], ...spec },
  status: { phase: 'Pending', qosClass: 'Burstable', conditions: unready, ...status },
})
const waiting = (reason: string, message?: string) => ({ containerStatuses: [containerStatus({ waiting: { reason, ...(message !== undefined && { message }) } })] })
const found = (...pods: object[]): NotReady[] => notReady({ apiVersion: 'v1', kind: 'List', items: pods }, podsOf(workload))
const printed = (...pods: object[]) => printNotReady(found(...pods), 'faultline-system')

test('a workload says which pods are its own, and with which images', () => {
  assert.deepEqual(podsOf(workload), { selector: 'app.kubernetes.io/name=scheduler,app.kubernetes.io/part-of=faultline', images: new Map([['keys', image], ['scheduler', image]]) })
  assert.throws(() => podsOf({ kind: 'Status' }))
})

test('an image that cannot be pulled is named with the pod, its node, the kubelet\'s words and what to do', () => {
  const words = `Back-off pulling image "${image}": ErrImagePull: failed to do request: Head "https://localhost/v2/faultline/services/manifests/dev": dial tcp 127.0.0.1:443: connect: connection refused`
  const [only, ...others] = found(pod('scheduler-a', waiting('ImagePullBackOff', words)))
  assert.deepEqual([only, others], [{ pod: 'scheduler-a', uid: 'uid-of-scheduler-a', node: 'node-1', container: 'scheduler', reason: 'ImagePullBackOff', message: words, isTrouble: true, image }, []])
  assert.deepEqual(printed(pod('scheduler-a', waiting('ErrImageNeverPull', `Container image "${image}" is not present with pull policy of Never`))), [
    `pod scheduler-a on node-1: container scheduler: ErrImageNeverPull: Container image "${image}" is not present with pull policy of Never; put it on the nodes, npm run images -- --load kind (or --load cluster, or --socket), or into a registry, npm run images -- --push REGISTRY, and say --registry REGISTRY here`,
  ])
  const of = (other: string) => printNotReady([{ ...only, image: other } as NotReady], 'n')[0]
  assert.match(of('localhost/faultline/nats:1.2') ?? '', /--load kind --version 1\.2 .*--push REGISTRY --version 1\.2, and say --registry REGISTRY here$/)
  assert.match(of('reg.test:5000/team/faultline/nats:1.2') ?? '', /; npm run images -- --push reg\.test:5000\/team --version 1\.2 puts it into that registry/)
  assert.match(of('busybox') ?? '', /; the nodes must be able to pull busybox$/)
})

test('pods with one trouble are told in one line', () => {
  const three = ['a', 'b', 'c'].map(name => pod(`scheduler-${name}`, waiting(name === 'b' ? 'ErrImagePull' : 'ImagePullBackOff', 'no')))
  assert.equal(printed(...three).length, 1)
  assert.match(printed(...three)[0] ?? '', /^pod scheduler-a on node-1 \(and 2 more\): /)
})

test('a container that crashes is named with how it ended, and where it says more', () => {
  const crash = (lastState: object) => pod('scheduler-a', {
    phase: 'Running', containerStatuses: [containerStatus({ waiting: { reason: 'CrashLoopBackOff', message: 'back-off 40s restarting failed container=scheduler pod=scheduler-a_faultline-system(uid)' } }, { restartCount: 3, lastState })],
  })
  assert.deepEqual(printed(crash({ terminated: { exitCode: 3, reason: 'Error', startedAt: '', finishedAt: '', containerID: '' } })),
    ['pod scheduler-a on node-1: container scheduler: CrashLoopBackOff: it ended with 3, restarts: 3; kubectl --namespace faultline-system logs scheduler-a --container scheduler --previous says more'])
  assert.match(printed(crash({ terminated: { exitCode: 137, reason: 'OOMKilled' } }))[0] ?? '', /it ended with 137 \(OOMKilled\), restarts: 3/)
  assert.match(printed(crash({}))[0] ?? '', /CrashLoopBackOff: back-off 40s restarting/)
})

test('a pod without a node is named with the scheduler\'s words', () => {
  const message = '0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.'
  assert.deepEqual(printed(pod('nats-1', { conditions: [condition('PodScheduled', 'False', { reason: 'Unschedulable', message })] }, { spec: { nodeName: undefined } })), [`pod nats-1: Unschedulable: ${message}`])
})

test('a Secret that is missing, an eviction and a failed first container are troubles; what only takes its time is none', () => {
  const isTrouble = (each: object) => found(each).map(({ reason, isTrouble: is }) => [reason, is])
  assert.deepEqual(isTrouble(pod('a', waiting('CreateContainerConfigError', 'secret "faultline" not found'))), [['CreateContainerConfigError', true]])
  assert.deepEqual(isTrouble(pod('a', { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.', conditions: [] })), [['Evicted', true]])
  const keys = { name: 'keys', ready: false, restartCount: 0, state: { terminated: { exitCode: 1, reason: 'Error' } }, lastState: {} }
  assert.deepEqual(isTrouble(pod('a', { initContainerStatuses: [keys], ...waiting('PodInitializing') })), [['Error', true]])
  assert.deepEqual(isTrouble(pod('a', waiting('ContainerCreating'))), [['ContainerCreating', false]])
  assert.deepEqual(isTrouble(pod('a', { phase: 'Running', initContainerStatuses: [{ ...keys, ready: true, state: { terminated: { exitCode: 0, reason: 'Completed' } } }], containerStatuses: [containerStatus({ running: { startedAt: '2026-11-28T15:00:00Z' } })] })), [['NotReady', false]])
  const two = [containerStatus({ running: {} }), containerStatus({ waiting: { reason: 'CrashLoopBackOff' } }, { name: 'proxy' })]
  assert.deepEqual(isTrouble(pod('a', { containerStatuses: two })), [['CrashLoopBackOff', true]], 'the one that is the trouble')
  assert.deepEqual(isTrouble({ ...pod('a', {}), status: { phase: 'Pending' } }), [['NotReady', false]])
})

test('pods that are ready, over, going, or of an earlier revision are passed over; a container put in by admission makes no other revision', () => {
  const stuck = waiting('ImagePullBackOff', 'no')
  assert.deepEqual(found(
    pod('ready', { phase: 'Running', conditions: [condition('PodScheduled', 'True'), condition('Ready', 'True')], containerStatuses: [containerStatus({ running: {} }, { ready: true })] }),
    pod('over', { ...stuck, phase: 'Succeeded' }),
    pod('going', stuck, { metadata: { deletionTimestamp: '2026-11-28T15:00:01Z' } }),
    pod('earlier', stuck, { spec: { containers: [{ name: 'scheduler', image: 'localhost/faultline/services:old' }] } }),
  ), [])
  assert.equal(found(pod('meshed', stuck, { spec: { containers: [{ name: 'scheduler', image }, { name: 'proxy', image: 'mesh.test/proxy:1' }] } })).length, 1)
})

test('a trouble is told once, and pulls that go on failing are given up, but not those of pods from before', () => {
  const pulling = found(pod('a', waiting('ErrImagePull', 'no')), pod('b', waiting('ContainerCreating')))
  const backingOff = found(pod('a', waiting('ImagePullBackOff', 'no')))
  const at = (nowMs: number, earlier: string[] = []) => ({ nowMs, earlier: new Set(earlier) })
  const first = watch(nothingSeen, pulling, at(1_000))
  assert.deepEqual([first.tell.map(each => each.pod), first.hopeless], [['a'], []])
  const second = watch(first.watched, backingOff, at(1_000 + pullsForMs - 1))
  assert.deepEqual([second.tell, second.hopeless], [[], []])
  assert.deepEqual(watch(second.watched, backingOff, at(1_000 + pullsForMs)).hopeless.map(each => each.pod), ['a'])
  assert.deepEqual(watch(second.watched, backingOff, at(1_000 + pullsForMs, ['uid-of-a'])).hopeless, [])
  const had = watch(second.watched, found(pod('a', waiting('ContainerCreating'))), at(20_000)).watched
  assert.deepEqual(watch(had, backingOff, at(1_000 + pullsForMs)).hopeless, [], 'counted from when it began to fail again')
})

test('an image that nobody will pull is given up at once, and a crash never is', () => {
  const at = { nowMs: 5, earlier: new Set<string>() }
  for (const reason of ['ErrImageNeverPull', 'InvalidImageName']) assert.equal(watch(nothingSeen, found(pod('a', waiting(reason, 'no'))), at).hopeless.length, 1, reason)
  const crashing = found(pod('a', waiting('CrashLoopBackOff', 'no')))
  const seen = watch(nothingSeen, crashing, at)
  assert.deepEqual([seen.tell.length, watch(seen.watched, crashing, { ...at, nowMs: 10 * pullsForMs }).hopeless], [1, []])
})

const none = { items: [] }

test('a Deployment whose pods a quota refuses is told by its own condition, in the quota\'s words, and with where to look', () => {
  const words = 'pods "scheduler-7d9f-x2x4" is forbidden: exceeded quota: small, requested: limits.memory=512Mi, used: limits.memory=1Gi, limited: limits.memory=1Gi'
  const deployment = (...conditions: object[]) => ({ ...workload, metadata: { ...workload.metadata, uid: 'uid-d' }, status: { observedGeneration: 1, replicas: 1, unavailableReplicas: 2, conditions } })
  const available = condition('Available', 'False', { reason: 'MinimumReplicasUnavailable', message: 'Deployment does not have minimum availability.' })
  const refused = refusedPod(deployment(available, condition('ReplicaFailure', 'True', { reason: 'FailedCreate', message: words })), { pods: none })
  assert.deepEqual(printNotReady(refused, 'faultline-system'), [`a pod of it cannot be made: FailedCreate: ${words}; kubectl --namespace faultline-system describe resourcequotas says what is used`])
  assert.deepEqual(watch(nothingSeen, refused, { nowMs: 0, earlier: new Set() }).hopeless, [], 'a quota may be raised')
  assert.deepEqual([refusedPod(deployment(available), { pods: none }), refusedPod(deployment(condition('ReplicaFailure', 'False', { reason: 'FailedCreate', message: words })), { pods: none })], [[], []])
})

test('of a StatefulSet, a DaemonSet or a Job the last event tells, as long as pods are missing and none was made since', () => {
  const event = (message: string, lastTimestamp: string | null, creationTimestamp = '2026-11-28T14:00:00Z') => ({ metadata: { creationTimestamp }, lastTimestamp, reason: 'FailedCreate', message })
  const events = { items: [event('the last', '2026-11-28T15:00:02Z'), event('the first', '2026-11-28T15:00:01Z'), event('dated by its making', null, '2026-11-28T15:00:00Z')] }
  const of = (spec: object, status?: object, pods: object = none) => printNotReady(refusedPod({ metadata: { uid: 'u' }, spec, ...(status && { status }) }, { pods, events }), 'n')
  const told = ['a pod of it cannot be made: FailedCreate: the last']
  for (const missing of [of({ replicas: 3 }, { replicas: 2 }), of({}, { desiredNumberScheduled: 2, currentNumberScheduled: 1 }), of({ completions: 1 }), of({}, { active: 0 })]) assert.deepEqual(missing, told)
  for (const there of [of({ replicas: 3 }, { replicas: 3 }), of({}, { desiredNumberScheduled: 2, currentNumberScheduled: 2 }), of({ completions: 1 }, { active: 1 })]) assert.deepEqual(there, [])
  const made = (second: number) => ({ items: [pod('nats-0', {}, { metadata: { creationTimestamp: `2026-11-28T15:00:0${second}Z` } })] })
  assert.deepEqual([of({ replicas: 3 }, { replicas: 1 }, made(2)), of({ replicas: 3 }, { replicas: 1 }, made(3))], [told, []])
  assert.deepEqual(refusedPod({ metadata: { uid: 'u' }, spec: { replicas: 3 } }, { pods: none }), [], 'no event, no word')
})
