import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ProcessEntry } from '#shared/process/process-table.ts'
import { confirmName, podProcesses, type PodScene } from '../../services/injector/pod-processes.ts'

const uid = '0f6a1c2e-1111-4222-8333-944455566677'
const pod = { id: `pod:${uid}`, pod: { namespace: 'shop', name: 'web-7d4', uid, node: 'n1' }, description: 'shop/web-7d4 on n1' }
const [sandbox, web, sidecar] = ['aaaaaaaaaaaaaaaa01', 'bbbbbbbbbbbbbbbb02', 'cccccccccccccccc03']
const entry = (pid: number, parent: number, more: Partial<ProcessEntry> = {}): ProcessEntry =>
  ({ pid, parent, group: pid, session: pid, state: 'S', name: 'x', isKernelThread: false, cpuTicks: 0, startTicks: pid * 10, ...more })
const table = [entry(1, 0), entry(50, 1), entry(60, 50), entry(61, 60), entry(70, 50), entry(80, 1), entry(90, 1), entry(95, 60, { state: 'Z' })]

/** `leaf` writes a container's path below its pod. */
function scene(leaf: (podUid: string, container: string) => string, more: Partial<PodScene> = {}): PodScene {
  const cgroups: Record<number, string> = {
    50: leaf(uid, sandbox), 60: leaf(uid, web), 61: leaf(uid, web), 70: leaf(uid, sidecar), 80: leaf('0f6a1c2e-9999-4222-8333-944455566677', web), 90: '/system.slice/sshd.service', 95: leaf(uid, 'dddddddddddddddd04'),
  }
  return {
    table, commandOf: pid => `program ${pid}`, cgroupOf: pid => `12:cpu:${cgroups[pid] ?? '/'}\n0::${cgroups[pid] ?? '/'}\n`,
    containerLogs: [`web-7d4_shop_web-${web}.log`, `web-7d4_shop_side-car-${sidecar}.log`, `web-7d4_other_web-${sandbox}.log`, `web-7d_shop_web-${sandbox}.log`],
    ...more,
  }
}

const forms: [string, (podUid: string, container: string) => string][] = [
  ['cgroupfs', (podUid, container) => `/node-1/kubepods/burstable/pod${podUid}/${container}`],
  ['systemd and containerd', (podUid, container) => `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${podUid.replaceAll('-', '_')}.slice/cri-containerd-${container}.scope`],
  ['systemd and cri-o', (podUid, container) => `/kubepods.slice/kubepods-pod${podUid.replaceAll('-', '_')}.slice/crio-${container}.scope/container`],
]

for (const [name, leaf] of forms) {
  test(`a pod's containers and its sandbox are found by UID in cgroups as ${name} names them`, () => {
    const { network, containers } = podProcesses(pod, scene(leaf))
    assert.deepEqual([network.pid, network.startTicks, network.id], [50, 500, 'process:50:500'])
    assert.deepEqual(containers.map(({ name: container, first }) => [container, first.pid]), [['web', 60], ['side-car', 70]])
    assert.match(containers[0]?.first.description ?? '', /^shop\/web-7d4 on n1: program 60$/)
  })
}

const [, cgroupfs] = forms[0] ?? assert.fail()
const plain = scene(cgroupfs)
/** Their parent is the container runtime's, outside of the pod; PIDs have begun anew since the pod began. */
const withProbes = { ...plain, table: [entry(1, 0), entry(40, 1, { startTicks: 5_000 }), ...table.slice(1), entry(66, 1, { startTicks: 6_000 })], cgroupOf: (pid: number) => plain.cgroupOf(pid === 40 || pid === 66 ? 60 : pid) }

test('what a probe or `kubectl exec` runs in a container is no container of its own, whatever its PID; it is beside what the container began with', () => {
  const { network, containers } = podProcesses(pod, withProbes)
  assert.equal(network.pid, 50)
  assert.deepEqual(containers.map(({ name, first, beside }) => [name, first.pid, beside.map(({ pid }) => pid)]), [['web', 60, [40, 66]], ['side-car', 70, []]])
})

test('a pod whose sandbox alone is left is still found, for its network', () => {
  const { network, containers } = podProcesses(pod, scene(cgroupfs, { table: table.filter(({ pid }) => pid < 60) }))
  assert.deepEqual([network.pid, containers], [50, []])
})

test('a pod whose sandbox cannot be told is entered through its first container', () => {
  assert.equal(podProcesses(pod, scene(cgroupfs, { table: table.filter(({ pid }) => pid !== 50) })).network.pid, 60)
})

test('a pod that is not on this node is refused, whatever has a UID that begins alike', () => {
  const elsewhere = { ...pod, pod: { ...pod.pod, uid: '0f6a1c2e' } }
  assert.throws(() => podProcesses(elsewhere, scene(cgroupfs)), /no process of shop\/web-7d4 on n1 is on this node/)
})

test('a pod\'s name and namespace are believed only when the kubelet\'s folder says the same', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pod-logs-'))
  try {
    mkdirSync(join(folder, `shop_web-7d4_${uid}`))
    confirmName(pod, folder)
    assert.throws(() => confirmName({ ...pod, pod: { ...pod.pod, namespace: 'allowed' } }, folder), /knows no pod allowed\/web-7d4 of that UID/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
