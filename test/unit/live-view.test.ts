/* oxlint-disable no-control-regex -- they are looked for, so that none is left */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import stringWidth from 'string-width'
import type { StoredFact } from '#shared/events.ts'
import { lastSeconds } from '#shared/traffic.ts'
import { judge } from '#shared/verdict.ts'
import { brief, cut, pad, stopwatch } from '../../services/cli/live/cells.ts'
import { concluded, emptyLive, fold, type LiveState } from '../../services/cli/live/fold.ts'
import { limitWords, valueAgainstLimit } from '../../services/cli/live/gate-values.ts'
import { render, type Terminal } from '../../services/cli/live/render.ts'
import { screenView } from '../../services/cli/live/screen.ts'
import { sparkline } from '../../services/cli/live/sparkline.ts'
import { printTold, tellFact } from '../../services/cli/timeline.ts'
import { clock, document, errorsGate, injectedMs, LogBuilder, logOf, promGate, revertedMs, sample, t0, type Story } from '../parts/verdict-log-builder.ts'

const upGate = { name: 'up', availability: { min: '99.9%' }, consecutive: 2 }
const backGate = { name: 'back', phase: 'recovery', errorRate: { max: '1%' } }
const steadyGate = { name: 'calm', phase: 'steady', errorRate: { max: '1%' } }
const abortMs = injectedMs + 2_200

/** From the pause on every request fails, and five wait, until the abort. */
const failing = (atMs: number) => atMs > injectedMs && atMs <= abortMs ? { ok: {}, failed: { 900: 3 }, inFlight: { 500: 5 }, inFlightTotal: 5 } : {}
const abortedStory: Story = {
  gates: [steadyGate, errorsGate, upGate, backGate], sampleAt: failing,
  abort: { cause: 'gate', detail: 'up: at least 99.9 % of attempted requests acknowledged: broken in 2 looks in a row', gate: 'up', atMs: abortMs },
}

/** The log's dates, as its facts' own: the builder writes one time into all of them. `run.judged` comes as the evaluator would say it. */
function dated(story: Story): StoredFact[] {
  const facts = logOf(story)
  const { verdict, reasons, revertUnconfirmed } = judge(facts)
  const log = new LogBuilder()
  log.facts.push(...facts)
  log.add('run.judged', { verdict, reasons, revertUnconfirmed })
  let latestMs = t0 - 2_000
  return log.facts.map(stored => {
    const data = stored.fact.data
    const atMs = 'atMs' in data ? data.atMs : 'endMs' in data ? data.endMs : 'injectedAtMs' in data ? data.injectedAtMs : 'revertedAtMs' in data ? data.revertedAtMs : latestMs
    latestMs = Math.max(latestMs, atMs)
    return { ...stored, fact: { ...stored.fact, time: new Date(latestMs).toISOString() } } as StoredFact
  })
}

const aborted = dated(abortedStory)
const passed = dated({ gates: [steadyGate, errorsGate, backGate], fault: 'kill' })

const until = (facts: readonly StoredFact[], ms: number): LiveState => facts.filter(({ fact }) => Date.parse(fact.time) <= ms).reduce(fold, emptyLive('scripted-1'))
const ended = (facts: readonly StoredFact[]): LiveState => concluded(facts.reduce(fold, emptyLive('scripted-1')), judge(facts))
const screen = (state: LiveState, terminal: Partial<Terminal> = {}) => render(state, { nowMs: t0, columns: 100, rows: 40, colour: false, ...terminal }).join('\n')

test('while a fault holds, one screen tells its phase with the time left, the fault, each gate against its limit, the load and the last events', () => {
  assert.equal(screen(until(aborted, injectedMs + 2_050), { nowMs: injectedMs + 2_050 }), `
 scripted-1                                                                                    0:09

 ━━━━━━━━━━━━━━━━━━━ ━━━━━━━━━━━━━━━ ━━━━────────────── ───────────── ──────────────────── ──────
 load 2 s            steady 5 s      hold 8 s left      revert        recover              judged

 faults  1-pause  ● active 2 s of 10 s        postgres

 gates   calm    steady    ✓ holding   0 % ≤ 1 %         ▁▁▁▁▁             at most 1 % failed requ…
         errors  during    ! breaking  100 % > 10 %      ██                15 bad of 15 requests
         up      during    ✗ breached  0 % < 99.9 %      ▁▁                15 bad of 15 requests
         back    recovery  · pending   – ≤ 1 %                             at most 1 % failed requ…

 load    15 requests/s     ██████▃▃                                  10 users, 100 % failed
         p95 900 ms        ▁▁▁▁▁▁██                                  5 waiting

 events    7.0 s  phase inject
           7.0 s  injected 1-pause: postgres
           7.0 s  phase hold`)
})

test('at its end the screen is a summary: how long each phase took, what each gate came to, the verdict, what decided it and how quick it was', () => {
  assert.equal(screen(ended(aborted)), `
 scripted-1                                                                                    0:32

 ━━━━━━━━━━━━━━━━━━━ ━━━━━━━━━━━━━━━ ━━━━────────────── ━━━━━━━━━━━━━ ━━━━━━━━━━━━━━━━━━━━ ━━━━━━
 load 2 s            steady 5 s      hold 2.2 s         revert 100 ms recover 23 s         judged

 faults  1-pause  ✓ reverted after 2.3 s (abort), confirmed  postgres

 gates   calm    steady    ✓ passed        0 % ≤ 1 %         ▁▁▁▁▁             at most 1 % failed …
         errors  during    ? inconclusive  100 % > 10 %      ██                15 bad of 15 reques…
         up      during    ✗ breached      0 % < 99.9 %      ▁▁                15 bad of 15 reques…
         back    recovery  ✓ met           0 % ≤ 1 %         ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  at most 1 % failed …

 load    1,433 requests    ██████▃▃▇██████████████████████  10 users at most, 2.303 % failed
         p95 20 ms         ▁▁▁▁▁▁███▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  47.45 requests/s

 ✗ failed   breach to abort 200 ms · breach to reverted 300 ms · recovered at once
   up: at least 99.9 % of attempted requests acknowledged: broken in 2 looks in a row`)
})

test('in a low and narrow terminal the empty lines, the phases of the gates and the events go, never the verdict', () => {
  assert.equal(screen(ended(passed), { columns: 60, rows: 14 }), ` scripted-1                                            0:32
 ━━━━━━━━━━━ ━━━━━━━━ ━━━━━━━━━━━ ━━━━━━ ━━━━━━━━━ ━━━━━━
 load 2 s    steady   hold 10 s   revert recover   judged
 faults  1-kill  ✓ done at once, confirmed   postgres
 gates   calm    ✓ passed    0 % ≤ 1 %       ▁▁▁▁▁
         errors  ✓ passed    0 % ≤ 10 %      ▁▁▁▁▁▁▁▁▁▁
         back    ✓ met       0 % ≤ 1 %       ▁▁▁▁▁▁▁▁▁▁▁▁▁▁
 load    1,510 requests    10 users at most, 0 % failed
         p95 20 ms         50 requests/s
 ✓ passed   recovered at once
   every gate held, every fault was confirmed and is gone,
   and the system recovered`)
})

test('before anything is known, the screen already has its shape', () => {
  assert.equal(screen(emptyLive('r1')), `
 r1                                                                                            0:00

 ─────────────────── ───────────── ───────────── ─────────────── ──────────────────────── ────────
 load                steady        hold          revert          recover                  judged

 load    not asked for yet`)
})

test('of many gates the most urgent are shown, in their own order, and the others are counted', () => {
  const gates = Array.from({ length: 30 }, (_, index) => ({ name: `gate-${index + 1}`, errorRate: { max: index === 20 ? '1%' : '100%' } }))
  const lines = screen(until(dated({ gates, sampleAt: failing }), injectedMs + 2_050), { rows: 16 }).split('\n')
  assert.deepEqual(lines.filter(line => /gate-|more/.test(line)).map(line => line.slice(9, 40).trimEnd()), ['gate-1   during    · pending', 'gate-2   during    · pending', 'gate-3   during    · pending', 'gate-4   during    · pending', 'gate-21  during    ! breaking', '… 25 more'])
})

test('faults tell what they wait for, what was refused and why, what lapsed, and what may still be there', () => {
  const fault = { fault: '1-pause', kind: 'pause', node: 'n1' }
  const target = { id: 'process:1:2', pid: 1, startTicks: 2, description: 'postgres' }
  const said = (add: (log: LogBuilder) => void) => {
    const log = new LogBuilder().add('run.submitted', { experiment: document(), experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
    add(log)
    return screen(log.facts.reduce(fold, emptyLive('r1')), { nowMs: t0 + 2_500 }).split('\n').find(line => line.startsWith(' faults'))?.slice(9)
  }
  const injected = { ...fault, targets: [target], verified: true, readBack: [], clock, requestedAtMs: t0, injectedAtMs: t0 }
  assert.equal(said(() => undefined), '1-pause  · waiting, 5 s after steady begins  processes matching postgres')
  assert.equal(said(log => log.add('run.phase', { phase: 'steady', atMs: t0 })), '1-pause  · waiting, 3 s left         processes matching postgres')
  assert.equal(said(log => log.add('run.phase', { phase: 'steady', atMs: t0 - 3_000 })), '1-pause  ○ being injected            processes matching postgres')
  assert.equal(said(log => log.add('run.sealed', { atMs: t0 })), '1-pause  · not injected              processes matching postgres')
  assert.equal(said(log => log.add('fault.refused', { ...fault, why: 'no process\nmatches' })), '1-pause  ✗ refused: no process matches  processes matching postgres')
  assert.equal(said(log => log.add('fault.injected', injected)), '1-pause  ● active 2 s of 10 s        postgres')
  assert.equal(said(log => log.add('fault.injected', { ...injected, verified: false })), '1-pause  ! active 2 s of 10 s, NOT CONFIRMED  postgres')
  assert.equal(said(log => log.add('fault.injected', injected).add('fault.injected', { ...injected, node: 'n2', targets: [{ ...target, id: 'process:3:4' }] })), '1-pause  ● active 2 s of 10 s on 2 nodes  postgres and 1 more')
  assert.equal(said(log => log.add('fault.injected', injected).add('fault.lapsed', { ...fault, atMs: t0 })), '1-pause  ! its lease ran out         postgres')
  const gone = { ...fault, targets: [target], cause: 'lease' as const, verified: true, readBack: [], revertedAtMs: t0 + 1_940, clock }
  assert.equal(said(log => log.add('fault.injected', injected).add('fault.reverted', gone)), '1-pause  ✓ reverted after 1.9 s (lease), confirmed  postgres')
  assert.equal(said(log => log.add('fault.injected', injected).add('fault.injected', { ...injected, node: 'n2' }).add('fault.reverted', { ...gone, verified: false })), '1-pause  ! its revert is NOT CONFIRMED, it may still be there on n1, of 2 nodes')
})

test('figures of a load that has fallen silent are called old', () => {
  const state = until(aborted, injectedMs + 1_000)
  assert.match(screen(state, { nowMs: injectedMs + 1_500 }), /5 waiting/)
  assert.match(screen(state, { nowMs: injectedMs + 4_500 }), /no sample for 3 s/)
})

test('the load is kept by the second for its last 40 s, and a second in which no sample came is a gap', () => {
  const log = new LogBuilder()
  for (let atMs = t0 + 200; atMs <= t0 + 60_000; atMs += 200) if (atMs <= t0 + 50_000 || atMs > t0 + 52_000) log.add('load.sample', sample(atMs))
  const { traffic } = log.facts.reduce(fold, emptyLive('r1'))
  const seconds = lastSeconds(traffic, 12)
  assert.deepEqual(seconds.map(point => point?.requestsPerSecond), [50, 50, undefined, undefined, 50, 50, 50, 50, 50, 50, 50, 50])
  assert.ok(traffic.seconds.length <= 40 && traffic.recent.length <= 20, `${traffic.seconds.length} seconds, ${traffic.recent.length} samples`)
})

test('colour is added only where it is wanted, and changes nothing else', () => {
  const state = ended(aborted)
  const coloured = screen(state, { colour: true })
  assert.match(coloured, /\u001b\[31m/)
  assert.equal(coloured.replaceAll(/\u001b\[\d+m/g, ''), screen(state))
})

test('a value stands beside its limit in few words', () => {
  const limit = (value: number, breaksWhen: 'above' | 'below', unit: 'ratio' | 'number' = 'ratio') => ({ value, breaksWhen, unit })
  assert.equal(valueAgainstLimit({ limit: limit(0.01, 'above') }, 0.2727), '27.27 % > 1 %')
  assert.equal(valueAgainstLimit({ limit: limit(0.01, 'above') }, 0.01), '1 % ≤ 1 %')
  assert.equal(valueAgainstLimit({ limit: limit(0.999, 'below') }, 0.5), '50 % < 99.9 %')
  const both = { limit: limit(5, 'above', 'number'), otherLimit: limit(1, 'below', 'number') }
  assert.deepEqual([0, 3, 6].map(value => valueAgainstLimit(both, value)), ['0 < 1', '1 ≤ 3 ≤ 5', '6 > 5'])
  assert.equal(limitWords(both), '≥ 1, ≤ 5')
})

test('a sparkline grows from nothing to the greatest value, or to the limit where that is greater, and leaves gaps', () => {
  assert.equal(sparkline([0, 1, 4, 8, null, 8]).join(''), '▁▁▄█ █')
  assert.equal(sparkline([1, 2], 8).join(''), '▁▂')
  assert.equal(sparkline([-4, 0, 4]).join(''), '▁▄█')
  assert.equal(sparkline([0, NaN, Infinity, -Infinity]).join(''), '▁ ▁▁')
  assert.equal(sparkline([]).join(''), '')
})

test('text is cut and padded by the cells that it takes', () => {
  assert.deepEqual([cut('postgres', 8), cut('postgres', 5), cut('数据库', 5), cut('ab', 1), cut('数据', 1), cut('ab', 0)], ['postgres', 'post…', '数据…', '…', '…', ''])
  assert.deepEqual([pad('数据', 6), pad('postgres', 4)], ['数据  ', 'pos…'])
})

test('times are told at a glance', () => {
  assert.deepEqual([0, 43.4, 999.6, 1_940, 9_440, 9_960, 65_000, 3_725_000, -1, NaN].map(brief), ['0 ms', '43 ms', '1 s', '1.9 s', '9.4 s', '10 s', '1m05s', '1h02m', '–', '–'])
  assert.deepEqual([-5, 23_999, 725_000, 3_600_000, NaN].map(stopwatch), ['0:00', '0:23', '12:05', '1:00:00', '0:00'])
})

test('elsewhere than on a terminal each event is one calm line, and what broke a gate keeps its evidence', () => {
  const log = new LogBuilder()
  const experiment = until(aborted, t0).gates.experiment
  const look = { phase: 'during' as const, lookEndMs: t0, atMs: t0 }
  log.add('gate.status', { gate: 'errors', ...look, status: 'pending', evidence: 'long' })
  log.add('gate.status', { gate: 'errors', ...look, status: 'holding', evidence: 'long', measurement: { is: 'measured', value: 0, breaks: false, bad: 0, total: 20 } })
  log.add('gate.status', { gate: 'errors', ...look, status: 'breaking', evidence: 'long', measurement: { is: 'measured', value: 0.5, breaks: true, bad: 10, total: 20 } })
  log.add('gate.status', { gate: 'errors', ...look, status: 'no-data', evidence: 'long', measurement: { is: 'no-data', why: 'no load sample came' } })
  log.add('gate.status', { gate: 'unheard-of', ...look, status: 'holding', evidence: 'long' })
  log.add('gate.status', { gate: 'errors', ...look, status: 'breached', evidence: 'at most 10 %: broken in 3 looks in a row' })
  log.add('run.aborting', { cause: 'gate', gate: 'errors', detail: 'errors: at most 10 %', atMs: t0, clock })
  log.add('run.aborting', { cause: 'user', detail: 'asked\nfor \u001b[2J', atMs: t0, clock })
  log.add('slo.tick', { atMs: t0 })
  const startedMs = Date.parse(log.facts[0]?.fact.time ?? '') - 12_340
  assert.deepEqual(log.facts.flatMap(fact => tellFact(fact, { startedMs, experiment }) ?? []).map(printTold), [
    '  12.3 s  errors (during) holding: 0 % ≤ 10 %',
    '  12.3 s  errors (during) breaking: 50 % > 10 %',
    '  12.3 s  errors (during) no data: no load sample came',
    '  12.3 s  unheard-of (during) holding',
    '  12.3 s  errors (during) breached: at most 10 %: broken in 3 looks in a row',
    '  12.3 s  aborting: errors is breached',
    '  12.3 s  aborting (user): asked for \\u{1b}[2J',
  ])
})

test('whatever facts come in whatever order, no line is wider than the terminal, there are no more lines than rows, and nothing in them is obeyed', () => {
  const words = 'why\u001b[2J 数据库 👩‍👩‍👧 \u202e e\u0301 \r\n'.repeat(9)
  const target = { id: 'process:1:2', pid: 1, startTicks: 2, description: words }
  const on = { fault: '1-pause', kind: 'pause', clock, targets: [target], readBack: [] }
  const hostile = new LogBuilder()
    .add('run.submitted', { experiment: { not: 'one' }, experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 } })
    .add('run.phase', { phase: 'load', atMs: 0 }).add('run.phase', { phase: 'recover', atMs: t0 + 90_000 })
    .add('run.aborting', { cause: 'steady', detail: words, atMs: t0, clock })
    .add('load.state', { state: 'failed', users: 1_000_000, targetUsers: 0, detail: words, atMs: t0 })
    .add('fault.refused', { fault: '1-pause', kind: 'pause', node: words, why: words })
    .add('fault.injected', { ...on, node: words, verified: false, requestedAtMs: 0, injectedAtMs: t0 + 50_000 })
    .add('fault.reverted', { ...on, node: 'n2', cause: 'abort', verified: false, revertedAtMs: 0 })
    .add('gate.status', { gate: words, phase: 'steady', status: 'unreadable', lookEndMs: 0, evidence: words, atMs: 0 })
    .add('load.sample', sample(t0 + 400, { users: 0, startMs: t0 + 400, ok: { 99999999: 99999999 } }))
    .add('run.judged', { verdict: 'inconclusive', reasons: [words], revertUnconfirmed: true }).facts
  const manyGates = Array.from({ length: 40 }, (_, index) => ({ ...promGate, name: `a-gate-with-quite-a-long-name-${index}` }))
  const prom = dated({ gates: manyGates, answerAt: atMs => atMs % 3_000 === 0 ? { is: 'no-data', why: words } : { is: 'value', value: atMs * 1e9 } })
  const anyFacts = fc.constantFrom(aborted, passed, prom).chain(story => fc.shuffledSubarray([...story, ...hostile]))
  const terminal = { nowMs: fc.constantFrom(0, t0 - 5_000, injectedMs, revertedMs, t0 + 1e12), columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }), colour: fc.boolean() }
  fc.assert(fc.property(anyFacts, fc.record(terminal), fc.boolean(), (facts, { colour, ...rest }, isOver) => {
    const state = facts.reduce(fold, emptyLive('r1'))
    const lines = render(isOver ? concluded(state, judge(facts)) : state, { colour, ...rest })
    assert.ok(lines.length <= rest.rows, `${lines.length} lines`)
    for (const line of lines) {
      assert.ok(stringWidth(line) <= rest.columns, `${stringWidth(line)} cells of ${rest.columns}: ${JSON.stringify(line)}`)
      assert.doesNotMatch(colour ? line.replaceAll(/\u001b\[\d+m/g, '') : line, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
    }
  }), { numRuns: 150 })
})

test('on a terminal the view is drawn again for a new width, and its last drawing ends with the verdict', async () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 100, rows: 40, hasColors: () => true })
  const written = () => String(terminal.read() ?? '')
  const view = screenView('scripted-1', terminal)
  try {
    for (const stored of aborted) view.show(stored)
    terminal.emit('resize')
    assert.match(written(), /\u001b\[31m/)
    terminal.columns = 40
    terminal.emit('resize')
    const narrow = stripVTControlCharacters(written()).split('\n')
    assert.ok(narrow.length > 5 && narrow.every(line => stringWidth(line) <= 40), narrow.join('\n'))
  } finally {
    view.end(judge(aborted))
  }
  assert.match(written(), /✗ failed/)
  await new Promise(resolve => { setTimeout(resolve, 300) })
  assert.equal(written(), '', 'nothing is drawn after the end')
})

test('a run without faults is shown with a hold and an end, and no recovery', () => {
  const shown = screen(ended(dated({ fault: 'none' })))
  assert.match(shown, /load .*steady .*hold .*end .*judged/)
  assert.doesNotMatch(shown, /recover|revert|faults/)
})
