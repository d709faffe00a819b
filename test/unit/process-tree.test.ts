import assert from 'node:assert/strict'
import { test } from 'node:test'
import { treeOf, type Root } from '#shared/process/process-tree.ts'
import type { ProcessEntry } from '#shared/process/process-table.ts'

/** Alive, in its parent's group unless it leads its own; what was started later has a later start time. */
const entry = (pid: number, parent: number, changes: Partial<ProcessEntry> = {}): ProcessEntry =>
  ({ pid, parent, group: pid, session: pid, startTicks: 100, state: 'S', name: 'x', isKernelThread: false, cpuTicks: 0, ...changes })
const pids = (roots: readonly Root[], table: readonly ProcessEntry[]) => treeOf(roots, table).map(({ pid }) => pid).toSorted((a, b) => a - b)

const server = entry(10, 1)
const worker = entry(11, 10, { group: 10, session: 10 })
const backend = entry(12, 10)
const others = [entry(20, 1), entry(21, 20, { group: 20, session: 20 })]

test('a tree is the process, its descendants, and whoever is in a group or session that one of them leads', () => {
  const orphan = entry(13, 1, { group: 12, session: 12 })
  assert.deepEqual(pids([{ pid: 10 }], [server, worker, backend, orphan, ...others]), [10, 11, 12, 13])
  assert.deepEqual(pids([{ pid: 10 }], [{ ...server, state: 'Z' }, worker, ...others]), [11], 'what has ended is not in it, its group is')
  assert.deepEqual(pids([{ pid: 99 }], [server, ...others]), [])
})

test('whoever has the PID of one that has ended is a stranger, and so is all below it', () => {
  const stranger = entry(10, 20, { startTicks: 900 })
  const below = entry(14, 10, { startTicks: 901, group: 10, session: 10 })
  assert.deepEqual(pids([server, worker], [stranger, below, worker, ...others]), [11])
  assert.deepEqual(pids([server], [{ ...stranger, state: 'Z' }, below, ...others]), [], 'also one that has ended in its turn')
})

test('what a process has started is found after its own end, by the group that it led', () => {
  const since = entry(15, 1, { startTicks: 900, group: 10, session: 10 })
  assert.deepEqual(pids([server], [since, ...others]), [15])
})
