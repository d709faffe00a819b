import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { targetKinds } from '#shared/target.ts'
import { descendantsOf, findProcess, parseStat, readProcess, readProcesses, type ProcessEntry } from '#shared/process/process-table.ts'
import { candidates, pickTargets, type Scene } from '../../services/injector/process-targets.ts'
import { untouchable } from '../../services/injector/untouchable.ts'
import { countCpus } from '../../services/injector/process-deeds.ts'

const stat = (pid: number, name: string, { state = 'S', parent = 1, flags = 4_194_304, start = 777 } = {}) =>
  `${pid} (${name}) ${state} ${parent} 5 5 0 -1 ${flags} 0 0 0 0 7 8 0 0 20 0 1 0 ${start} 0 0 18446744073709551615\n`

test('a stat line is read whatever the process calls itself', () => {
  fc.assert(fc.property(fc.string({ maxLength: 15 }), fc.integer({ min: 1, max: 4_194_304 }), fc.nat(1e9), (name, pid, start) => {
    const entry = parseStat(stat(pid, name, { start }))
    assert.deepEqual(entry, { pid, name, state: 'S', parent: 1, group: 5, session: 5, isKernelThread: false, cpuTicks: 15, startTicks: start })
  }))
})

test('names made to look like fields do not move the fields', () => {
  assert.equal(parseStat(stat(9, ') R 1 2 3 ('))?.startTicks, 777)
  assert.equal(parseStat(stat(2, 'kthreadd', { flags: 0x0020_8040, parent: 0 }))?.isKernelThread, true)
})

test('anything else than a whole stat line is nothing', () => {
  fc.assert(fc.property(fc.string(), text => { assert.equal(parseStat(text), undefined) }))
  const whole = stat(9, 'x')
  assert.equal(parseStat(whole.slice(0, whole.indexOf('777'))), undefined)
})

test('this very process is found by its start time and not by another', () => {
  const own = readProcess(process.pid)
  assert.ok(own)
  assert.equal(findProcess(own)?.pid, process.pid)
  assert.equal(findProcess({ ...own, startTicks: own.startTicks + 1 }), undefined)
})

const entry = (pid: number, parent: number, more: Partial<ProcessEntry> = {}): ProcessEntry => ({ pid, parent, group: pid, session: pid, state: 'S', name: 'x', isKernelThread: false, cpuTicks: 0, startTicks: pid * 10, ...more })
const commands: Record<number, string> = { 10: 'shop', 11: 'gunicorn master', 12: 'gunicorn worker', 13: 'gunicorn worker', 14: 'redis-server *:6379', 20: 'gunicorn of somebody else', 15: 'gunicorn dead', 16: 'gunicorn: spared' }
const table = [entry(1, 0), entry(10, 1), entry(11, 10), entry(12, 11), entry(13, 11), entry(14, 10), entry(20, 1), entry(15, 10, { state: 'Z' }), entry(16, 10)]
const scene: Scene = { table, commandOf: pid => commands[pid] ?? '', parents: [{ name: 'shop', pid: 10 }], untouchable: new Set([1, 16]) }
const target = (more: object) => targetKinds.process.parse({ match: 'gunicorn', ...more })
const ids = (more: object, where: Partial<Scene> = {}) => candidates(target(more), { ...scene, ...where }).map(({ pid }) => pid)

test('this process, what is above it, init and kernel threads are never touched', () => {
  const spared = untouchable(readProcesses())
  assert.ok(spared.has(1) && spared.has(process.pid) && spared.has(process.ppid))
  const [above, thread, reverter, stranger] = [process.pid + 1, process.pid + 2, process.pid + 3, process.pid + 4]
  const made = [entry(above, 0), entry(process.pid, above), entry(thread, 0, { isKernelThread: true }), entry(reverter, 0), entry(stranger, 0)]
  const own = fileURLToPath(new URL('../../services/injector/reverter.ts', import.meta.url))
  const madeUp = untouchable(made, pid => pid === reverter ? `node ${own} x` : 'x')
  assert.deepEqual([1, process.pid, above, thread, reverter, stranger].filter(pid => madeUp.has(pid)), [1, process.pid, above, thread, reverter], 'where init is none of its ancestors')
})

test('of a match and its descendants only the topmost counts, and only at or below the declared processes', () => {
  assert.deepEqual(ids({}), [11])
  assert.deepEqual(ids({ match: 'worker' }), [12, 13])
  assert.deepEqual(ids({ match: 'gunicorn' }, { parents: [{ name: 'master', pid: 11 }] }), [11], 'a declared process that matches is itself the target')
  assert.deepEqual(ids({ match: 'shop' }), [10])
  assert.deepEqual(ids({ parent: 'shop' }, { parents: [{ name: 'shop', pid: 10 }, { name: 'other', pid: 1 }] }), [11])
})

test('a parent whose PID was recycled counts for nothing', () => {
  assert.deepEqual(ids({}, { parents: [{ name: 'shop', pid: 10, startTicks: 100 }] }), [11])
  assert.throws(() => ids({}, { parents: [{ name: 'shop', pid: 10, startTicks: 99 }] }), /no process at or below shop .* matches "gunicorn"/)
})

test('no target is refused, never an empty success', () => {
  assert.throws(() => ids({ match: 'nothing' }), /no process at or below shop \(10\) matches "nothing"/)
  assert.throws(() => ids({}, { parents: [{ name: 'gone', pid: 99 }] }), /which has ended/)
  assert.throws(() => ids({}, { parents: [] }), /declare those that may be touched/)
  assert.throws(() => ids({ parent: 'db' }), /no parent named db is declared; declared: shop/)
})

test('the same run picks the same processes again, and others pick others', () => {
  const found = candidates(target({ match: 'worker' }), scene)
  const picks = Array.from({ length: 20 }, (_, run) => pickTargets(found, 'one', `run${run}`)[0]?.pid)
  assert.deepEqual(picks, Array.from({ length: 20 }, (_, run) => pickTargets(found.toReversed(), 'one', `run${run}`)[0]?.pid))
  assert.equal(new Set(picks).size, 2)
  assert.equal(pickTargets(found, 'all', 'r').length, 2)
  assert.throws(() => pickTargets(found, 3, 'r'), /asks for 3, but only 2 match/)
})

test('a table with a circle in it does not hang', () => {
  assert.equal(descendantsOf(5, [entry(6, 5), entry(5, 6)]).length, 2)
})

test('processors are counted as the kernel lists them', () => {
  assert.deepEqual(['0', '0-3', '0-1,4,6-7'].map(countCpus), [1, 4, 5])
})
