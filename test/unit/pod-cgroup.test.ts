import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listeningPorts, nameserversIn } from '../../services/injector/fault-target.ts'
import { foldersOf } from '../../services/injector/pod-cgroup.ts'

const v1 = `30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
31 24 0:27 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
const v2 = '35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n'

test('a container\'s cgroups are found in those hierarchies of version 1 that have the controllers, below what is mounted', () => {
  const cgroup = '5:memory:/docker/x/kubepods/podu/c\n4:cpu,cpuacct:/kubepods/podu/c\n0::/kubepods/podu/c\n'
  assert.deepEqual(foldersOf(v1, cgroup, ['cpu', 'cpuacct', 'cpuset']), ['/sys/fs/cgroup/cpu,cpuacct/kubepods/podu/c'])
  assert.deepEqual(foldersOf(v1, cgroup, ['memory']), ['/sys/fs/cgroup/memory/kubepods/podu/c'])
})

test('on version 2 there is one, whatever the controllers, and none where nothing is mounted', () => {
  assert.deepEqual(foldersOf(v2, '0::/kubepods.slice/kubepods-podu.slice/cri-containerd-c.scope\n', ['memory']), ['/sys/fs/cgroup/kubepods.slice/kubepods-podu.slice/cri-containerd-c.scope'])
  assert.deepEqual(foldersOf('', '0::/x\n', ['memory']), [])
  assert.deepEqual(foldersOf(v2, '4:memory:/x\n', ['memory']), [])
})

test('ports that are listened on are told from connections, and those of the loopback are left out', () => {
  const table = `  sl  local_address rem_address   st tx_queue
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000
   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000
   2: 0201F40A:1F90 0301F40A:9C40 01 00000000:00000000 00:00000000
   3: 00000000000000000000000000000000:1538 00000000000000000000000000000000:0000 0A 00000000
   4: 00000000000000000000000001000000:1539 00000000000000000000000000000000:0000 0A 00000000
`
  assert.deepEqual(listeningPorts(table), [8080, 5432])
})

test('name servers are read as the resolver reads them', () => {
  assert.deepEqual(nameserversIn('search shop.svc.cluster.local\nnameserver 10.96.0.10\n# nameserver 1.1.1.1\nnameserver fd00::a\noptions ndots:5\n'), ['10.96.0.10', 'fd00::a'])
})
