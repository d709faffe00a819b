import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge } from '#shared/verdict.ts'
import { judgeCell, type Evidence } from '../crash-matrix/demands.ts'
import { compare } from '../crash-matrix/host-picture.ts'
import { printTable } from '../crash-matrix/report.ts'
import { allCells, clockJumpsMs, cutsRenewal, disturbances, expectationOf, inGuestOf, keysOf, nameOf, parts, phases, processesOf, sampleOf, senseless, shardOf, type Cell } from '../crash-matrix/table.ts'
import { clock, injectedMs, logOf, revertedMs, type LogBuilder, type Story } from '../parts/verdict-log-builder.ts'

const cells = allCells()

test('every part, disturbance and phase is in the matrix once, or left out for a reason', () => {
  const names = new Set(cells.map(nameOf))
  assert.equal(names.size, cells.length)
  for (const part of keysOf(parts)) {
    for (const disturbance of keysOf(disturbances)) {
      const present = keysOf(phases).filter(phase => names.has(nameOf({ part, disturbance, phase })))
      assert.equal(present.length, senseless(part, disturbance) === undefined ? keysOf(phases).length : 0, `${part}/${disturbance}`)
    }
  }
})

test('the most telling cells come first: what is killed or stopped while the faults are there', () => {
  assert.ok(cells.slice(0, 12).every(({ phase, disturbance }) => phase === 'held' && disturbance === 'kill'))
  assert.equal(cells.at(-1)?.phase, 'recovery')
})

test('a seed chooses the same sample each time, and another seed another', () => {
  assert.deepEqual(sampleOf(cells, 5, 7), sampleOf(cells, 5, 7))
  assert.notDeepEqual(sampleOf(cells, 5, 7), sampleOf(cells, 5, 8))
  assert.equal(new Set(sampleOf(cells, 50, 7).map(nameOf)).size, 50)
})

test('shards have all cells between them, none of them twice, and each its share of the most telling', () => {
  const shards = [1, 2, 3].map(index => shardOf(cells, { index, of: 3 }))
  assert.deepEqual(shards.flat().map(nameOf).toSorted(), cells.map(nameOf).toSorted())
  for (const shard of shards) assert.equal(shard.filter(cell => cells.indexOf(cell) < 12).length, 4)
})

test('nobody expects a pass of a run whose faults are cut short, or whose users were hurt', () => {
  for (const cell of cells) {
    if (cell.phase === 'breach' || (cell.phase === 'held' && cutsRenewal(cell))) assert.equal(expectationOf(cell), 'never passes', nameOf(cell))
    if (cell.part === 'scheduler-standby' && cell.phase !== 'breach') assert.equal(expectationOf(cell), 'passes', nameOf(cell))
  }
})

test('clocks of servers jump, in a guest, and those of services nowhere; a jump of NATS\'s must not be in the way of a pass', () => {
  const jumps = cells.filter(each => inGuestOf(each).length > 0)
  assert.deepEqual(new Set(jumps.map(({ part }) => part)), new Set(['nats-one', 'nats-leader', 'nats-all', 'prometheus']))
  for (const each of cells) assert.equal(inGuestOf(each).length > 0, clockJumpsMs[each.disturbance] !== undefined, nameOf(each))
  for (const each of jumps.filter(({ part, phase }) => part !== 'prometheus' && phase !== 'breach')) assert.equal(expectationOf(each), 'passes', nameOf(each))
  for (const each of jumps.filter(({ part, phase }) => part === 'prometheus' && (phase === 'held' || phase === 'injection' || phase === 'before'))) assert.equal(expectationOf(each), 'never passes', nameOf(each))
})

test('a part is processes by who leads now', () => {
  const leaders = { scheduler: 'scheduler-2', nats: 'nats-1', follower: 'nats-3' } as const
  assert.deepEqual([processesOf('scheduler-leader', leaders), processesOf('scheduler-standby', leaders), processesOf('nats-leader', leaders), processesOf('nats-one', leaders)], [['scheduler-2'], ['scheduler-1'], ['nats-1'], ['nats-3']])
  assert.equal(processesOf('services', leaders).length, 5)
})

const durationMs = revertedMs - injectedMs
const cell = (part: Cell['part'], disturbance: Cell['disturbance'], phase: Cell['phase']): Cell => ({ part, disturbance, phase })

/** The other fault of the matrix, beside the pause of the story. */
const dropped = (log: LogBuilder) => {
  const fault = { fault: '2-network-drop', kind: 'network-drop', node: 'n1', targets: [{ id: 'process:3:4', pid: 3, startTicks: 4, description: 'echo' }], verified: true, readBack: [], clock }
  log.add('fault.injected', { ...fault, requestedAtMs: injectedMs, injectedAtMs: injectedMs }).add('fault.reverted', { ...fault, cause: 'duration', revertedAtMs: revertedMs })
}

/** Of a cell in which everything is as it should be, changed where the test says so. */
function evidence(change: Partial<Evidence> = {}, story: Story = {}): Evidence {
  const facts = logOf({ also: dropped, ...story })
  return {
    cell: cell('scheduler-leader', 'kill', 'held'), run: 'r1', fired: { atMs: 2_000, overMs: 4_000, seen: 'ended with SIGKILL' }, durationMs, leaseMs: 3_000,
    seen: { pause: [{ fromMs: 1_000, toMs: 1_000 + durationMs }], 'network-drop': [{ fromMs: 1_000, toMs: 1_000 + durationMs }] },
    verdict: judge(facts).verdict, facts, acknowledged: facts.map(({ stream }) => stream), isSameStream: true, leftovers: [], failures: 0, troubles: [], ...change,
  }
}

const pause = (fromMs: number, toMs?: number) => ({ ...evidence().seen, pause: [{ fromMs, ...(toMs !== undefined && { toMs }) }] })

test('a cell in which everything is as it should be is not violated', () => {
  const result = judgeCell(evidence())
  assert.deepEqual([result.violations, result.verdict, result.lateMs, result.lost], [[], 'passed', 0, 0])
})

const violated: readonly { what: string; of: Evidence; says: RegExp }[] = [
  { what: 'the disturbance was not seen', of: evidence({ fired: undefined }), says: /not seen to happen/ },
  { what: 'the test failed on its way', of: evidence({ troubles: ['being well again: nats-1 did not come back'] }), says: /being well again: nats-1/ },
  { what: 'a fault outlasts its duration', of: evidence({ seen: pause(1_000, 1_000 + durationMs + 1_001) }), says: /pause was over 1001 ms after/ },
  { what: 'a fault is there still', of: evidence({ seen: pause(1_000) }), says: /pause is there still/ },
  { what: 'a fault outlasts its lease, which nobody renews', of: evidence({ cell: cell('injector', 'kill', 'revert'), fired: { atMs: 1_500, overMs: 2_500, seen: 'x' }, seen: pause(1_000, 5_501) }), says: /network-drop was over .* after its end/ },
  { what: 'a fault is done twice', of: evidence({ seen: { ...evidence().seen, pause: [{ fromMs: 0, toMs: 9_000 }, { fromMs: 9_100, toMs: 9_200 }] } }), says: /pause was there 2 times/ },
  { what: 'no verdict comes', of: evidence({ verdict: undefined }), says: /no verdict/ },
  { what: 'the verdict is another than the facts say', of: evidence({ verdict: 'inconclusive', cell: cell('prometheus', 'kill', 'held') }), says: /the facts say passed/ },
  { what: 'a run that had to pass does not', of: evidence({}, { seal: false }), says: /had to pass, and is inconclusive/ },
  { what: 'a run passes that cannot have seen all', of: evidence({ cell: cell('injector', 'kill', 'held'), fired: { atMs: 9_000, overMs: 9_900, seen: 'x' } }), says: /false pass: it cannot/ },
  { what: 'a run passes whose users were hurt', of: evidence({ cell: cell('prometheus', 'kill', 'breach') }), says: /false pass: it cannot/ },
  { what: 'a run passes whose fault was not really there', of: evidence({ seen: pause(1_000, 1_500) }), says: /false pass: pause was really there for 500/ },
  { what: 'a run passes whose network was never cut', of: evidence({ seen: { ...evidence().seen, 'network-drop': [] } }), says: /false pass: network-drop was really there for 0/ },
  { what: 'a run passes of whose fault nothing is on record', of: evidence({}, { also: () => undefined }), says: /false pass: network-drop was not confirmed as injected/ },
  { what: 'a run passes though requests failed', of: evidence({ failures: 3 }), says: /false pass: the system answered 3/ },
  { what: 'no answer says that the clock of Prometheus has jumped', of: evidence({ cell: cell('prometheus', 'clock-ahead', 'held') }, { seal: false }), says: /nothing on record says that the clock of Prometheus is another/ },
  { what: 'a run fails though no request did', of: evidence({ verdict: 'failed' }), says: /false failure/ },
  { what: 'an acknowledged fact is gone', of: evidence({ acknowledged: [1, 2, 900_000] }), says: /1 of 3 acknowledged facts .* 900000/ },
  { what: 'nothing was acknowledged', of: evidence({ acknowledged: [] }), says: /no acknowledgement was seen/ },
  { what: 'the stream was made anew', of: evidence({ isSameStream: false }), says: /another one than before/ },
  { what: 'something is left', of: evidence({ leftovers: ['+1 process: running x'] }), says: /left behind: \+1 process/ },
]
for (const { what, of, says } of violated) {
  test(`a cell is violated when ${what}`, () => {
    const { violations } = judgeCell(of)
    assert.ok(violations.some(violation => says.test(violation)), violations.join('\n') || 'nothing was said')
  })
}

test('only what came late, and nothing else, can be so because the machine paused', () => {
  const late = { seen: pause(1_000, 1_000 + durationMs + 1_001) }
  assert.equal(judgeCell(evidence()).isOfPace, false)
  assert.equal(judgeCell(evidence(late)).isOfPace, true)
  assert.equal(judgeCell(evidence({}, { seal: false })).isOfPace, true)
  assert.equal(judgeCell(evidence({ fired: undefined, troubles: ['disturbing: only 3 stops were seen'] })).isOfPace, true)
  for (const change of [{ leftovers: ['+1 process: running x'] }, { acknowledged: [1, 900_000] }, { failures: 3 }, { cell: cell('prometheus', 'kill', 'breach') }, { verdict: 'failed' }] satisfies Partial<Evidence>[]) {
    assert.equal(judgeCell(evidence({ ...late, ...change })).isOfPace, false, JSON.stringify(change))
  }
  assert.equal(judgeCell(evidence({ seen: pause(1_000) })).isOfPace, false)
})

test('a pass with a sample missing in the middle is a false one', () => {
  const whole = evidence()
  const middle = whole.facts.findIndex((stored, index) => stored.kind === 'load.sample' && index > whole.facts.length / 2)
  const { violations } = judgeCell({ ...whole, facts: whole.facts.toSpliced(middle, 1) })
  assert.ok(violations.some(violation => /false pass: 1 samples of w1 are missing/.test(violation)), violations.join('\n'))
})

test('two pictures differ by what is more or less, and by nothing else', () => {
  assert.deepEqual(compare(['process: a', 'process: b', 'process: b'], ['process: b', 'process: a', 'process: b']), [])
  assert.deepEqual(compare(['process: b', 'file: x'], ['process: b', 'process: b']), ['+1 process: b', '-1 file: x'])
})

test('the table shows what was run, what was violated, what was not run, and why cells are not in it', () => {
  const passed = { ...judgeCell(evidence()), cell: 'scheduler-leader/kill/held', tookMs: 60_000 }
  const bad = { ...judgeCell(evidence({ leftovers: ['+1 file: y'] })), cell: 'injector/kill/held', tookMs: 60_000 }
  const text = printTable({ results: [passed, bad], machine: 'a machine', date: '2026-01-01' })
  assert.match(text, /^\| kill \| \. \| \. \| passed \(p\), 0 \|/m)
  assert.match(text, /\*\*passed \(n\), 0, 1 left\*\*/)
  assert.match(text, /- `injector\/kill\/held` \(passed\): left behind: \+1 file: y/)
  assert.match(text, /\*\*partition\*\* of locust-master, locust-worker: it has no connection to NATS/)
  assert.match(text, /in 2 minutes: \*\*2 of \d+ cells: 2 passed; 1 leftovers, 0 false passes, 0 of \d+ acknowledged facts lost, 1 cells with a violation/)
})
