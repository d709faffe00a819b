import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { calibrationSubject, describeCalibration } from '#shared/experiment-calibration.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { experimentIdentity } from '#shared/release-run.ts'
import { judge } from '#shared/verdict.ts'
import { calibrate, gatesToCalibrate } from '../../services/cli/calibrate/calibration.ts'
import type { Cell } from '../../services/cli/calibrate/cells.ts'
import { falseAbortsOf, missingMs } from '../../services/cli/calibrate/false-aborts.ts'
import { recordingOf, type Recording } from '../../services/cli/calibrate/recording.ts'
import { recordingRun } from '../../services/cli/calibrate/recording-run.ts'
import { renderCalibration } from '../../services/cli/calibrate/render-calibration.ts'
import { printReportHtml } from '../../services/cli/report/report-html.ts'
import { printReportJson } from '../../services/cli/report/report-json.ts'
import { printReportMarkdown } from '../../services/cli/report/report-markdown.ts'
import { reportOf } from '../../services/cli/report/run-report.ts'
import { cellsOfService, recordedLoad, recordingOfCells } from '../parts/load-recording.ts'
import { seededRandom } from '../parts/seeded-random.ts'
import { duringFault, injectedMs, logOf, revertedMs } from '../parts/verdict-log-builder.ts'

const limited = { name: 'errors', limit: 'rate', errorRate: { max: '2%' } }
const written = (more: object = {}) => {
  const document = {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'pod-loss' }, load: { users: 10, host: 'http://127.0.0.1:8000' },
    faults: [{ kind: 'pause', target: { process: { match: 'worker' } }, at: '10s', duration: '1m' }], gates: [limited], ...more,
  }
  return { document, experiment: experimentSchema.parse(document) }
}
const limitedGates = (more: object = {}) => gatesToCalibrate(written(more).experiment).gates
const steady = (seconds: number, bad: number, total = 10): Cell[] => Array.from({ length: seconds * 5 }, () => ({ bad, total }))
const bursty = () => recordingOfCells(cellsOfService({ requestsPerSecond: 50, badShare: 0.01, burstS: 3 }, 3_600, seededRandom(3)))
const nowMs = Date.UTC(2026, 0, 31, 12)

test('a recording that keeps the limit has no false abort; how many windows of it say so is told, and how many more it takes', () => {
  const found = falseAbortsOf(limitedGates(), [recordingOfCells(steady(600, 0))], 60_000)
  assert.ok(found)
  const { atMost, ...rest } = found
  assert.deepEqual(rest, { windows: 10, starts: 72, aborted: 0, rate: 0, atLeast: 0, byGate: [{ gate: 'errors', aborted: 0 }] })
  assert.ok(Math.abs(atMost - (1 - 0.025 ** (1 / 10))) < 1e-9, `${atMost}`)
  assert.equal(missingMs(found, 0.05, 60_000), 49 * 60_000, '59 windows without one show that fewer than 5 % have one')
  assert.equal(missingMs({ ...found, windows: 59 }, 0.05, 60_000), 0)
})

test('it is the gates\' own decision that is replayed: what breaks the limit aborts every window with it in, and any gate aborts for all', () => {
  const outage = [...steady(300, 0), ...steady(30, 10), ...steady(270, 0)]
  const gates = limitedGates({ gates: [limited, { name: 'spent', limit: 'budget', requests: 3_000, errorRate: { max: '90%' } }] })
  const found = falseAbortsOf(gates, [recordingOfCells(outage)], 60_000)
  assert.ok(found && found.aborted > 0 && found.aborted < found.starts)
  assert.deepEqual(found.byGate, [{ gate: 'errors', aborted: found.aborted }, { gate: 'spent', aborted: 0 }])
  const from = (ms: number) => falseAbortsOf(gates, [recordingOfCells(outage.slice(ms / 200, (ms + 60_000) / 200))], 60_000)?.aborted
  assert.deepEqual([from(200_000), from(290_000), from(340_000)], [0, 1, 0])
  assert.equal(falseAbortsOf(limitedGates(), [recordingOfCells(steady(60, 10))], 60_000)?.atMost, 1, 'when all are aborted, all may be')
})

test('windows are of one recording, and a recording shorter than the phase is none', () => {
  assert.equal(falseAbortsOf(limitedGates(), [recordingOfCells(steady(59, 0)), recordingOfCells(steady(59, 0))], 60_000), undefined)
  assert.equal(falseAbortsOf(limitedGates(), [recordingOfCells(steady(59, 0)), recordingOfCells(steady(61, 0))], 60_000)?.windows, 1)
})

test('bursts ask for a longer block and a larger burst, which are measured too, and what is to be written is read back as it was meant', () => {
  const experiment = written()
  const report = calibrate(experiment, [bursty()], nowMs)
  const [gate] = report.gates
  assert.ok(gate?.block.is === 'too-short' && gate.burst.is === 'too-small')
  assert.equal(report.outcome, 'change')
  assert.deepEqual(report.settings, [{ gate: 'errors', blockMs: gate.block.neededMs, burst: gate.burst.needed }])
  assert.ok(report.asWritten && report.asNeeded && report.asWritten.aborted > report.asNeeded.aborted, JSON.stringify(report))
  const text = renderCalibration(report)
  assert.match(text, /errors: block 1s is TOO SHORT: four bursts need \d+s\nerrors: burst 1 is TOO SMALL: \d+ is how many may fail together/)
  assert.match(text, /NOT enough/)
  const yaml: unknown = parse(text.slice(text.indexOf('\ngates:')))
  const { gates, calibration } = z.looseObject({ gates: z.array(z.looseObject({ name: z.string() })), calibration: z.looseObject({}) }).parse(yaml)
  const pasted = written({ gates: [{ ...limited, ...gates[0] }], calibration })
  const again = calibrate(pasted, [bursty()], nowMs)
  assert.deepEqual([again.outcome, again.gates[0]?.block.is, again.gates[0]?.burst.is, again.asNeeded, again.settings], ['fits', 'fits', 'fits', null, report.settings])
  assert.match(renderCalibration(again), /errors: block \d+s is enough: four bursts need \d+s\nerrors: burst \d+ is enough\n/)
  assert.equal(again.subject, report.subject, 'block and burst are what is measured, not what it is measured with')
  assert.deepEqual(describeCalibration(pasted.document, pasted.experiment, nowMs)?.doubts, [])
})

test('too little is told as such: nothing that failed, few bursts, a recording too short for a window', () => {
  const nothing = calibrate(written(), [recordingOfCells(steady(600, 0))], nowMs)
  assert.equal(nothing.outcome, 'unknown')
  assert.match(renderCalibration(nothing), /errors: block 1s: not known to be enough; 0 bad requests seen, and it takes 10\n/)
  assert.match(renderCalibration(nothing), /\n {2}falseAborts: 0%\n {2}atMost: 30\.85%\n/)
  const two = calibrate(written(), [recordingOfCells([...steady(300, 0), ...steady(2, 9), ...steady(200, 0), ...steady(2, 9), ...steady(100, 0)])], nowMs)
  assert.match(renderCalibration(two), /2 bursts seen, and it takes 5/)
  const few = calibrate(written(), [recordingOfCells(Array.from({ length: 17 }, () => [{ bad: 1, total: 10 }, ...steady(1, 0).slice(1)]).flat())], nowMs)
  assert.match(renderCalibration(few), /burst 1: not known to be enough; the recordings are too short for it/)
  const short = calibrate(written(), [recordingOfCells(steady(30, 0))], nowMs)
  assert.equal(short.asWritten, null)
  assert.match(renderCalibration(short), /false aborts: not measured\nnote: no recording is as long as the gates are judged \(1m\)/)
  assert.doesNotMatch(renderCalibration(short), /calibration:/)
})

test('requests that fail one by one need no longer block and no burst; what is larger than needed is told, and left', () => {
  const single = () => recordingOfCells(cellsOfService({ requestsPerSecond: 50, badShare: 0.01, burstS: 0 }, 1_800, seededRandom(3)))
  const report = calibrate(written(), [single()], nowMs)
  assert.equal(report.outcome, 'fits')
  assert.match(renderCalibration(report), /block 1s is enough: requests fail one by one\nerrors: burst 1 is enough: nothing speaks for requests that fail together/)
  const larger = calibrate(written({ gates: [{ ...limited, block: '40s', burst: 1_000 }] }), [bursty()], nowMs)
  assert.deepEqual([larger.outcome, larger.gates[0]?.block.is, larger.gates[0]?.burst.is, larger.settings], ['fits', 'longer-than-needed', 'more-than-needed', [{ gate: 'errors', blockMs: 40_000, burst: 1_000 }]])
  assert.match(renderCalibration(larger), /burst 1000 is enough; \d+ would be, and a pass would take fewer requests/)
})

test('bursts within the limit are none to a gate, and bursts too long for the time that it is judged cannot be helped by a block', () => {
  const mild = Array.from({ length: 20 }, () => [...steady(20, 0, 200), ...steady(5, 2, 200)]).flat()
  assert.equal(calibrate(written(), [recordingOfCells(mild)], nowMs).gates[0]?.bursts, null)
  const long = Array.from({ length: 8 }, () => [...steady(200, 0), ...steady(25, 10)]).flat()
  const report = calibrate(written(), [recordingOfCells(long)], nowMs)
  assert.deepEqual([report.gates[0]?.block.is, report.outcome], ['impossible', 'change'])
  assert.match(renderCalibration(report), /longer than the gate is judged: hold longer, or limit a budget/)
  const minutes = Array.from({ length: 6 }, () => [...steady(400, 0), ...steady(200, 10)]).flat()
  const block = calibrate(written({ hold: '1h' }), [recordingOfCells(minutes)], nowMs).gates[0]?.block
  assert.ok(block?.is === 'impossible' && block.neededMs > 4 * 200_000 * 0.9, 'the file format takes no block that long, however long the gate is judged')
})

test('a budget needs no block; what is needed may not fit beside its requests, which is told', () => {
  const budget = { name: 'errors', limit: 'budget', requests: 200, errorRate: { max: '2%' } }
  const report = calibrate(written({ gates: [budget] }), [bursty()], nowMs)
  assert.deepEqual([report.gates[0]?.block.is, report.asNeeded], ['any', null])
  assert.match(report.notes.join('\n'), /with what is needed, gates\.0\.requests would have to be at least \d+/)
  assert.match(renderCalibration(report), /a budget is spent by arithmetic/)
})

test('of a service that is worse than its limit by itself it is told that its aborts are not false', () => {
  const report = calibrate(written(), [recordingOfCells(steady(600, 1))], nowMs)
  assert.deepEqual(report.notes, ['errors: without a fault 10 % of the requests were bad, more than its limit of 2 %; an abort of that is not false'])
  assert.equal(report.outcome, 'change', 'more runs are aborted than alpha, whatever the blocks')
  assert.match(renderCalibration(report), /100 % of runs \(72 of 72 beginnings in 10 windows; 95 %: 69\.15 % to 100 %\): MORE than alpha, 5 %/)
  const down = calibrate(written(), [recordingOfCells(steady(60, 10))], nowMs)
  assert.deepEqual([down.gates[0]?.bursts, down.gates[0]?.clumping, down.gates[0]?.burst.is], [null, null, 'unknown'], 'where nothing is good, nothing fails together')
})

test('so many windows without a false abort as it takes are told to be below alpha', () => {
  const report = calibrate(written(), [recordingOfCells(steady(1_800, 0), 'one'), recordingOfCells(steady(1_740, 0), 'other')], nowMs)
  assert.equal(report.asWritten?.windows, 59)
  assert.match(renderCalibration(report), /^experiment pod-loss: 2 fault-free runs, 59m in all;[^]*95 %: 0 % to \S+ %\); below alpha, 5 %\n/)
})

test('a gate with a limit that reads elsewhere than in the load is left out with the reason, and kept as it is where others are changed', () => {
  const counters = { name: 'served', limit: 'rate', source: 'prometheus', block: '10s', errorRate: { max: '2%', total: 'requests_total', bad: 'requests_total{status="500"}' } }
  const report = calibrate(written({ gates: [{ ...limited, block: '400ms' }, counters] }), [bursty()], nowMs)
  assert.deepEqual([report.gates.map(({ gate }) => gate), report.leftOut], [['errors'], [{ gate: 'served', why: 'it reads prometheus, and recordings hold the requests of the load' }]])
  assert.deepEqual(report.asNeeded?.byGate.map(({ gate }) => gate), ['errors'])
  assert.match(renderCalibration(report), /errors: block 400ms is TOO SHORT[^]*\nserved: left out, since it reads prometheus/)
  assert.throws(() => calibrate(written({ gates: [counters] }), [bursty()], nowMs), /no gate with a limit reads the load/)
})

test('only gates with a limit on the load are calibrated, and only from runs with the same load', () => {
  assert.throws(() => calibrate(written({ gates: [{ name: 'plain', errorRate: { max: '1%' } }] }), [bursty()], nowMs), /no gate with a limit reads the load/)
  const other: Recording = { ...bursty(), load: { ...recordedLoad, users: 11 } }
  assert.throws(() => calibrate(written(), [other], nowMs), /no recording has its load/)
  assert.deepEqual(calibrate(written(), [other, { ...bursty(), load: { ...recordedLoad, host: 'http://127.0.0.2:1' } }], nowMs).runs.length, 1)
})

test('a run without faults is a recording of its hold; one with faults, without load or without a hold is none, with the reason', () => {
  const recording = recordingOf(logOf({ fault: 'none' }))
  assert.deepEqual([recording.run, recording.startMs, recording.endMs, recording.load.users, recording.notes], ['r1', injectedMs, revertedMs, 10, []])
  assert.ok(recording.samples.some(({ endMs }) => endMs < injectedMs), 'what waits since before is known')
  assert.throws(() => recordingOf(logOf()), /it had a fault \(1-pause\)/)
  const [submitted, ...rest] = logOf()
  assert.ok(submitted?.kind === 'run.submitted')
  const two = { ...submitted, fact: { ...submitted.fact, data: { ...submitted.fact.data, experiment: written({ faults: [...written().document.faults, { kind: 'kill', target: { process: { match: 'worker' } }, at: '5s' }] }).document } } }
  assert.throws(() => recordingOf([two, ...rest]), /it had faults \(1-pause, 2-kill\)/)
  assert.throws(() => recordingOf(logOf({ fault: 'none', load: false, gates: [{ name: 'asked', source: 'prometheus', promql: { query: 'up', max: 1 } }] })), /it had no load/)
  assert.throws(() => recordingOf(logOf({ fault: 'none' }).filter(stored => stored.kind !== 'run.phase')), /its hold was not told/)
  assert.throws(() => recordingOf(logOf({ fault: 'none', sampleAt: duringFault(null) })), /no load sample came in its hold/)
  assert.throws(() => recordingOf([]), /no readable run\.submitted/)
  const aborted = recordingOf(logOf({ fault: 'none', abort: { cause: 'gate', gate: 'errors', detail: 'errors: broken', atMs: injectedMs + 4_000 } }))
  assert.deepEqual([aborted.endMs, aborted.notes], [injectedMs + 4_000, ['r1 was aborted (errors: broken), and what would have come after that nobody knows: runs whose gates abort them show too few false aborts']])
  const stopped = recordingOf(logOf({ fault: 'none', abort: { cause: 'user', detail: 'enough', atMs: injectedMs + 4_000 } }))
  assert.deepEqual(stopped.notes, ['r1 was aborted (enough), and what would have come after that nobody knows'], 'a user does not stop only the bad ones')
})

test('a run to record is the load alone, with a gate that nothing breaks', () => {
  const { document, experiment } = recordingRun(written({ probes: [{ name: 'orders', http: { endpoint: 'orders', path: '/' } }], alpha: 0.01 }), 600_000)
  assert.deepEqual([experiment.name, experiment.faults, experiment.probes, experiment.holdMs, experiment.load?.users], ['pod-loss-calibrate', [], [], 600_000, 10])
  const [gate] = experiment.gates
  assert.ok(gate && gate.noDataAfterMs === 600_000 && gate.rule.limit.value === 1)
  assert.deepEqual(Object.keys(document as object).includes('alpha'), false)
})

test('what was measured is no part of what an experiment asks; load, alpha and gates with a limit are what it was measured with', () => {
  const calibration = { measuredAt: '2026-01-31T12:00:00Z', subject: 'a'.repeat(64), phase: '1m', runs: 1, windows: 10, falseAborts: '0%', atMost: '30%', gates: [] }
  assert.equal(experimentIdentity(written({ calibration }).document), experimentIdentity(written().document))
  assert.notEqual(experimentIdentity(written({ alpha: 0.01 }).document), experimentIdentity(written().document))
  const subjectOf = (more: object) => calibrationSubject(written(more).document)
  const plain = { name: 'plain', errorRate: { max: '1%' } }
  for (const same of [
    { gates: [{ ...limited, block: '4s', burst: 9, phase: 'during' }, plain] }, { metadata: { name: 'other' } }, { hold: '2m' }, { calibration }, { load: { users: 10, host: 'http://127.0.0.2:1' } },
  ]) assert.equal(subjectOf(same), subjectOf({}), JSON.stringify(same))
  assert.equal(calibrationSubject({ gates: [{ ...limited, reconcile: { with: 'served' } }] }), calibrationSubject({ gates: [limited] }), 'what it is held against aborts nothing')
  for (const other of [{ alpha: 0.01 }, { gates: [{ ...limited, errorRate: { max: '1%' } }] }, { load: { users: 11, host: 'http://127.0.0.1:8000' } }]) assert.notEqual(subjectOf(other), subjectOf({}))
})

test('reports say what was measured, when and with what, or that nothing was, and why it may not hold for this run', () => {
  const gates = [{ name: 'errors', limit: 'rate', errorRate: { max: '10%' } }]
  const facts = (calibration?: object) => logOf({ gates, ...(calibration && { calibration }) })
  const reportedBy = (calibration?: object) => {
    const log = facts(calibration)
    return reportOf(log, judge(log))
  }
  const none = reportedBy()
  assert.match(none.calibration?.says ?? '', /never measured for this experiment \(faultline calibrate measures them\)/)
  const [submitted] = facts()
  assert.ok(submitted?.kind === 'run.submitted')
  const measured = {
    measuredAt: '2025-12-29T00:00:00Z', subject: calibrationSubject(submitted.fact.data.experiment), phase: '10s', runs: 3, windows: 180, falseAborts: '0.4%', atMost: '2.5%',
    gates: [{ name: 'errors', block: '1s', burst: 1 }],
  }
  const known = reportedBy(measured)
  assert.match(known.calibration?.says ?? '', /\(A\/A\): 0\.4 % of 180 times 10s \(95 %: at most 2\.5 %\), measured on 2025-12-29T00:00:00Z \(3 days before this run\) in 3 fault-free runs, with load, alpha and gates of SHA-256 [0-9a-f]{12}\./)
  assert.deepEqual(known.calibration?.doubts, [])
  const doubtful = reportedBy({ ...measured, measuredAt: '2026-02-01T00:00:00Z', subject: 'b'.repeat(64), phase: '1m', gates: [{ name: 'errors', block: '4s', burst: 1 }] })
  assert.match(doubtful.calibration?.says ?? '', /\(after this run\)/)
  assert.deepEqual(doubtful.calibration?.doubts, ['Load, alpha or gates with a limit are others now.', 'This experiment is judged for 10s.', 'errors was measured with block 4s and burst 1, and has 1s and 1.'])
  assert.deepEqual(reportedBy({ ...measured, gates: [] }).calibration?.doubts, ['errors was not measured.'])
  for (const report of [none, known, doubtful]) {
    const says = report.calibration?.says ?? ''
    assert.ok(printReportHtml(report).includes(says))
    assert.ok(printReportMarkdown(report).includes(says.slice(0, 20)))
    assert.ok(report.calibration?.doubts.every(doubt => printReportHtml(report).includes(doubt)))
    assert.deepEqual(z.looseObject({ calibration: z.unknown() }).parse(JSON.parse(printReportJson(report))).calibration, report.calibration)
  }
  const plain = logOf()
  assert.equal(reportOf(plain, judge(plain)).calibration, undefined)
})
