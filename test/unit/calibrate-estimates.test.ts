import assert from 'node:assert/strict'
import { test } from 'node:test'
import { experimentSchema } from '#shared/experiment.ts'
import { findBursts } from '../../services/cli/calibrate/bursts.ts'
import { cellsOf, cellMs } from '../../services/cli/calibrate/cells.ts'
import { blocksOfCells, clumpingOf } from '../../services/cli/calibrate/clumping.ts'
import { gatesToCalibrate } from '../../services/cli/calibrate/calibration.ts'
import { ratioOf } from '../../services/cli/calibrate/ratio-estimate.ts'
import { calibrateSimulated } from '../bench/calibration.ts'
import { isAborted, isPassed, requestsPerBurstOf, type Service } from '../bench/gate-simulation.ts'
import { cellsOfService, recordingOfCells } from '../parts/load-recording.ts'
import { seededRandom } from '../parts/seeded-random.ts'

const secondsOf = (cells: number) => cells * cellMs / 1_000
const gateOf = (badShare: number) => {
  const { gates } = gatesToCalibrate(experimentSchema.parse({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'counted' }, load: { users: 10, host: 'http://127.0.0.1:8000' },
    faults: [], hold: '5m', gates: [{ name: 'errors', limit: 'rate', errorRate: { max: badShare } }],
  }))
  return gates[0]
}

/** Bursts of known length, in which all requests fail; half an hour, or an hour where they are rare. */
const bursty: [Service, seconds: number][] = [
  [{ requestsPerSecond: 20, badShare: 0.05, burstS: 1 }, 1_800],
  [{ requestsPerSecond: 20, badShare: 0.01, burstS: 1 }, 3_600],
  [{ requestsPerSecond: 200, badShare: 0.05, burstS: 0.2 }, 1_800],
  [{ requestsPerSecond: 200, badShare: 0.05, burstS: 5 }, 3_600],
  [{ requestsPerSecond: 2, badShare: 0.05, burstS: 5 }, 3_600],
]
const nameOf = ({ requestsPerSecond, badShare, burstS }: Service) => `${requestsPerSecond} requests/s, ${badShare * 100} % bad in bursts of ${burstS} s`

for (const [service, seconds] of bursty) {
  test(`bursts of known length are found: ${nameOf(service)}`, () => {
    for (const seed of [1, 2, 3]) {
      const found = findBursts([cellsOfService(service, seconds, seededRandom(seed))])
      assert.ok(found)
      const foundS = secondsOf(found.length.value)
      // a burst reaches into one cell more than it is long; of few requests a second, its ends are not seen
      assert.ok(foundS > 0.8 * service.burstS && foundS < 1.4 * service.burstS + secondsOf(1), `${foundS} s`)
      const expected = seconds * service.badShare / service.burstS
      assert.ok(found.count > 0.6 * expected && found.count < 1.5 * expected, `${found.count} bursts, expected ${expected}`)
      // one that is as long as a cell fills two of them half
      assert.ok(found.badShare > 0.4 && found.quietShare < 0.01, JSON.stringify(found))
    }
  })
}

test('where requests fail one by one no bursts are found, however many fail', () => {
  for (const requestsPerSecond of [2, 20, 200]) for (const badShare of [0.01, 0.05]) for (const seed of [1, 2, 3]) {
    assert.equal(findBursts([cellsOfService({ requestsPerSecond, badShare, burstS: 0 }, 1_800, seededRandom(seed))]), undefined, `${requestsPerSecond}/s, ${badShare}, seed ${seed}`)
  }
})

test('bursts in which only some fail are found too, and so are those of several recordings together', () => {
  const random = seededRandom(7)
  const half = cellsOfService({ requestsPerSecond: 50, badShare: 0.04, burstS: 2 }, 1_800, random)
    .map(({ bad, total }) => ({ bad: Array.from({ length: bad }).filter(() => random() < 0.5).length, total }))
  const found = findBursts([half.slice(0, 4_000), half.slice(4_000)])
  assert.ok(found && secondsOf(found.length.value) > 1.6 && secondsOf(found.length.value) < 3, JSON.stringify(found))
  assert.ok(Math.abs(found.badShare - 0.5) < 0.1, JSON.stringify(found))
})

test('nothing bad, nothing good and nothing at all have no bursts and no clumping', () => {
  for (const cells of [[], [{ bad: 0, total: 0 }], [{ bad: 0, total: 5 }, { bad: 0, total: 5 }], [{ bad: 5, total: 5 }, { bad: 5, total: 5 }]]) {
    assert.deepEqual([findBursts([cells]), clumpingOf(cells)], [undefined, undefined])
  }
  assert.equal(findBursts(Array.from({ length: 10 }, (_, index) => [{ bad: index % 2, total: 5 }])), undefined, 'recordings of a cell each show no change from one to the next')
})

test('D is one where requests fail one by one, and one more than a burst has requests where they fail together', () => {
  const clumping = (service: Service, blockS: number, burstShare: number) => {
    const found = clumpingOf(blocksOfCells(cellsOfService(service, 36_000, seededRandom(11)), blockS * 1_000 / cellMs), burstShare)
    assert.ok(found && found.atLeast < found.value && found.value < found.atMost)
    return found
  }
  const single = clumping({ requestsPerSecond: 20, badShare: 0.02, burstS: 0 }, 1, 0)
  assert.ok(single.atLeast < 1 && single.atMost > 1 && single.atMost < 1.1, JSON.stringify(single))
  const bursts = clumping({ requestsPerSecond: 20, badShare: 0.02, burstS: 1 }, 4, 1 / 4)
  assert.ok(Math.abs(bursts.value - 21) < 2 && bursts.atMost < 24, JSON.stringify(bursts))
  const cut = clumping({ requestsPerSecond: 20, badShare: 0.02, burstS: 1 }, 4, 0)
  assert.ok(cut.value < bursts.value, 'bursts that blocks have cut are counted whole')
})

test('a ratio is as sure as its parts agree on it', () => {
  assert.deepEqual(ratioOf([{ over: 2, under: 1 }, { over: 4, under: 2 }]), { value: 2, atMost: 2, atLeast: 2 })
  const apart = ratioOf([{ over: 0, under: 1 }, { over: 4, under: 1 }])
  assert.ok(apart && apart.value === 2 && Math.abs(apart.atMost - (2 + 1.645 * Math.sqrt(8) / 2)) < 1e-9)
  assert.equal(ratioOf([]), undefined)
})

test('a block of what was measured keeps false aborts of a service right at its limit within alpha and three standard errors, where a shorter one does not', () => {
  const [alpha, runs] = [0.05, 2_000]
  const most = alpha + 3 * Math.sqrt(alpha * (1 - alpha) / runs)
  const abortedShare = (service: Service, blockS: number) => {
    const random = seededRandom(23)
    return Array.from({ length: runs }, () => isAborted(service, { blockS, phaseS: 300, alpha }, random)).filter(Boolean).length / runs
  }
  for (const [service, seconds] of bursty.filter(([{ burstS }]) => burstS >= 1)) {
    const { block } = calibrateSimulated(service, seconds, seededRandom(5))
    assert.ok(block.is === 'too-short', JSON.stringify(block))
    assert.ok(block.neededMs >= 3.6 * 1_000 * service.burstS && block.neededMs <= 9 * 1_000 * service.burstS, `${nameOf(service)}: ${block.neededMs} ms`)
    const aborted = abortedShare(service, block.neededMs / 1_000)
    assert.ok(aborted <= most, `${nameOf(service)}: ${aborted} aborted with blocks of ${block.neededMs} ms`)
  }
  assert.ok(abortedShare({ requestsPerSecond: 20, badShare: 0.05, burstS: 1 }, 1) > 2 * most)
})

test('a burst of what was measured keeps false passes of such a service within it too', () => {
  const [alpha, runs] = [0.05, 2_000]
  for (const [service, seconds] of bursty) {
    const { burst } = calibrateSimulated(service, seconds, seededRandom(5))
    assert.ok(burst.is === 'too-small', JSON.stringify(burst))
    const honest = requestsPerBurstOf(service)
    assert.ok(burst.needed >= 0.9 * honest && burst.needed <= 1.8 * honest + 1, `${nameOf(service)}: ${burst.needed} for ${honest}`)
    const random = seededRandom(29)
    const passed = Array.from({ length: runs }, () => isPassed(service, { expectedBursts: 20, alpha }, random, burst.needed)).filter(Boolean).length / runs
    assert.ok(passed <= alpha + 3 * Math.sqrt(alpha * (1 - alpha) / runs), `${nameOf(service)}: ${passed} passed with a burst of ${burst.needed}`)
  }
})

test('counts are the gate\'s: what waits is bad in each cell anew for a share, and once for a pass; what came before the hold waits into it', () => {
  const gate = gateOf(0.1)
  const { sequential } = gate
  const recording = recordingOfCells(Array.from({ length: 5 }, () => ({ bad: 1, total: 4 })))
  const waiting = { ...recording, samples: recording.samples.map(sample => ({ ...sample, inFlight: { 2_500: 2 } })) }
  const { shares, once } = cellsOf(gate, sequential.counted.requests, waiting)
  assert.deepEqual(shares, Array.from({ length: 5 }, () => ({ bad: 3, total: 6 })))
  assert.deepEqual(once.map(({ bad }) => bad), [3, 1, 1, 1, 1])
  const later = cellsOf(gate, sequential.counted.requests, { ...waiting, startMs: waiting.startMs + 400 })
  assert.deepEqual([later.once.map(({ bad }) => bad), later.shares.length], [[1, 1, 1], 3])
  const silent = cellsOf(gate, sequential.counted.requests, { ...recording, samples: recording.samples.slice(0, 1) })
  assert.deepEqual(silent.shares.slice(1), Array.from({ length: 4 }, () => ({ bad: 0, total: 0 })))
})
