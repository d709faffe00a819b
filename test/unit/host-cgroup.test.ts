import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cgroupRoots, stillShared } from '../../services/injector/host-cgroup.ts'

test('every hierarchy is found where it is mounted: v1, hybrid, v2, and a path with a space', () => {
  const hybrid = [
    '185 184 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    '189 185 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory',
    '191 185 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer',
    '195 185 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
  ].join('\n')
  assert.deepEqual(cgroupRoots(hybrid), ['/sys/fs/cgroup/memory', '/sys/fs/cgroup/freezer', '/sys/fs/cgroup/unified'])
  assert.deepEqual(cgroupRoots('35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n'), ['/sys/fs/cgroup'])
  assert.deepEqual(cgroupRoots('35 24 0:30 / /mnt/c\\040g rw - cgroup2 none rw'), ['/mnt/c g'])
  assert.deepEqual(cgroupRoots(''), [])
})

test('a process that left all hierarchies but one is still with the agent', () => {
  const agent = '9:memory:/kubepods/pod1/a\n8:freezer:/kubepods/pod1/a\n0::/kubepods/pod1/a\n'
  assert.deepEqual(stillShared('9:memory:/\n8:freezer:/\n0::/\n', agent), [])
  assert.deepEqual(stillShared('9:memory:/\n8:freezer:/kubepods/pod1/a\n0::/\n', agent), ['freezer:/kubepods/pod1/a'])
  assert.deepEqual(stillShared('9:memory:/kubepods/pod1/a/below\n8:freezer:/kubepods/pod1/abc\n0::/', agent), ['memory:/kubepods/pod1/a/below'])
})

test('an agent at the root has nothing that a process could leave', () => {
  assert.deepEqual(stillShared('9:memory:/\n0::/', '9:memory:/\n0::/'), [])
})
