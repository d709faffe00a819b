/**
 * What gates with a `limit` cost and how often they are wrong: the first part of `npm run bench`; `--cells quick` for a try. Fixed seeds, so that
 * the same code prints the same table. Ends with 1 when a bar of docs/gates.md is missed.
 */
import { parseArgs } from 'node:util'
import v8 from 'node:v8'
import vm from 'node:vm'
import { seededRandom } from '../parts/seeded-random.ts'
import { calibrateSimulated } from './calibration.ts'
import { decideRun, excessLimit, gatesFor } from './control-simulation.ts'
import { measureGateLoad } from './gate-load.ts'
import { detectionDelayS, isAborted, isPassed, requestsPerBurstOf } from './gate-simulation.ts'

const { values: { cells } } = parseArgs({ options: { cells: { type: 'string', default: 'all' } } })
if (cells !== 'all' && cells !== 'quick') throw new Error(`--cells: expected all or quick, found ${cells}`)
const isQuick = cells === 'quick'

const alpha = 0.05
const phaseS = 300
const expectedBursts = 20
const runs = isQuick ? 200 : 2_000
const rates = isQuick ? [20] : [2, 20, 200]
const budgets = isQuick ? [0.01] : [0.001, 0.01, 0.05]
const burstsS = isQuick ? [0, 1] : [0, 0.2, 1, 5]
const blocksS = [0.2, 1, 4, 20]
/** An hour of rarer bursts shows too few. */
const calibratedServices = rates.flatMap(requestsPerSecond => budgets.filter(badShare => badShare >= 0.01).flatMap(badShare => burstsS.map(burstS => ({ requestsPerSecond, badShare, burstS }))))
/** Three standard errors above alpha: more than chance alone would show. */
const mostWrong = alpha + 3 * Math.sqrt(alpha * (1 - alpha) / runs)
const missed: string[] = []

const percent = (share: number) => `${(share * 100).toFixed(1)} %`
const row = (...columns: (string | number)[]) => console.log(`| ${columns.join(' | ')} |`)
const head = (...columns: string[]) => { row(...columns); row(...columns.map(() => '---')) }
const holds = (condition: boolean, what: string) => { if (!condition) missed.push(what) }

let seed = 0
const shareOfRuns = (isSo: (random: () => number) => boolean) => {
  const random = seededRandom(seed += 7_919)
  let found = 0
  for (let run = 0; run < runs; run += 1) if (isSo(random)) found += 1
  return found / runs
}

console.log(`## False aborts and false passes of a service exactly as bad as its limit\n
${runs} runs a cell, alpha ${alpha}, at most ${percent(mostWrong)} in a cell where the assumption holds: no bursts, or blocks of at least four times their length. In brackets: it
does not hold. Aborts: in ${phaseS} s. Passes: at the end of a phase that is long enough for ${expectedBursts} bursts (or bad requests).\n`)
head('requests/s', 'limit', 'burst', ...blocksS.map(blockS => `aborted, ${blockS} s blocks`), 'requests per burst (D)', 'passed')
for (const requestsPerSecond of rates) for (const badShare of budgets) for (const burstS of burstsS) {
  const service = { requestsPerSecond, badShare, burstS }
  const found = blocksS.map(blockS => ({ blockS, assumed: blockS >= 4 * burstS, aborts: shareOfRuns(random => isAborted(service, { blockS, phaseS, alpha }, random)) }))
  const name = `${requestsPerSecond}/s, limit ${percent(badShare)}, bursts of ${burstS} s`
  for (const { blockS, assumed, aborts } of found) holds(!assumed || aborts <= mostWrong, `${name}, ${blockS} s blocks: ${percent(aborts)} aborted`)
  const passes = shareOfRuns(random => isPassed(service, { expectedBursts, alpha }, random))
  holds(passes <= mostWrong, `${name}: ${percent(passes)} passed`)
  row(requestsPerSecond, percent(badShare), burstS === 0 ? 'none' : `${burstS} s`, ...found.map(({ assumed, aborts }) => assumed ? percent(aborts) : `(${percent(aborts)})`), requestsPerBurstOf(service), percent(passes))
}

console.log(`\n## From the first bad request to the end of the block that aborts\n
20 requests/s, three rate gates, limit 1 %, alpha ${alpha} (E of 60), a phase of 180 s, the trouble from 60 s on, 0.1 % bad before; ${runs} runs.\n`)
head('trouble', 'blocks', 'median', 'p99', 'never')
for (const [name, badShare, mostS] of [['all requests bad', 1, 2], ['20 % bad', 0.2, 4]] as const) for (const blockS of [0.2, 1]) {
  const random = seededRandom(seed += 7_919)
  const delays = Array.from({ length: runs }, () => detectionDelayS({ requestsPerSecond: 20, goodBadShare: 0.001, badShare, limit: 0.01, gates: 3, alpha, blockS, phaseS: 180, onsetS: 60 }, random) ?? Infinity).sort((a, b) => a - b)
  const at = (share: number) => delays[Math.floor(share * runs)] ?? Infinity
  if (blockS === 0.2) holds(at(0.5) <= mostS, `${name}, 0.2 s blocks: median of ${at(0.5).toFixed(2)} s`)
  row(name, `${blockS} s`, `${at(0.5).toFixed(2)} s`, `${at(0.99).toFixed(2)} s`, percent(delays.filter(delay => delay === Infinity).length / runs))
}

console.log(`\n## What calibration finds\n
An hour of such a service without faults, the block and the burst that faultline calibrate asks for, and what comes of them: ${runs} runs a cell, as above.\n`)
head('requests/s', 'limit', 'burst', 'bursts seen', 'their length (at most)', 'D (at most)', 'block needed', 'aborted', 'burst needed', 'passed')
seed = 1_000_000 // its own, so that what is added above changes nothing here
for (const service of calibratedServices) {
  const { requestsPerSecond, badShare, burstS } = service
  const { bursts, clumping, block, burst } = calibrateSimulated(service, 3_600, seededRandom(seed += 7_919))
  const [blockMs, burstNeeded] = ['neededMs' in block ? Math.max(1_000, block.neededMs) : undefined, 'needed' in burst ? burst.needed : undefined]
  const aborts = blockMs === undefined ? undefined : shareOfRuns(random => isAborted(service, { blockS: blockMs / 1_000, phaseS, alpha }, random))
  const passes = burstNeeded === undefined ? undefined : shareOfRuns(random => isPassed(service, { expectedBursts, alpha }, random, burstNeeded))
  const name = `${requestsPerSecond}/s, limit ${percent(badShare)}, bursts of ${burstS} s, calibrated`
  holds(aborts === undefined || aborts <= mostWrong, `${name}: ${percent(aborts ?? 0)} aborted`)
  holds(passes === undefined || passes <= mostWrong, `${name}: ${percent(passes ?? 0)} passed`)
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  row(requestsPerSecond, percent(badShare), burstS === 0 ? 'none' : `${burstS} s`, bursts?.count ?? 'none', bursts ? `${seconds(bursts.lengthMs)} (${seconds(bursts.lengthAtMostMs)})` : '–',
    clumping ? `${clumping.value.toFixed(1)} (${clumping.atMost.toFixed(1)})` : '–', blockMs === undefined ? 'not known' : seconds(blockMs), aborts === undefined ? '–' : percent(aborts), burstNeeded ?? 'not known', passes === undefined ? '–' : percent(passes))
}

console.log(`\n## With a control\n
Counters of two arms, scraped every 5 s at times of their own, 20 requests/s each, limit 1 %, blocks of 20 s, ${phaseS} s, alpha ${alpha}: ${runs} runs a cell. Noise: of the requests of both arms in the same
seconds. Beyond it, the arm with the fault has so much more bad. In brackets the same gate without its control, which holds the sum of both against the limit.\n`)
head('noise', 'beyond it', 'aborted', 'passed')
seed = 2_000_000
const gates20s = gatesFor(phaseS)
const noises = [
  ['none', { share: 0, burstS: 0, gapS: 0 }], ['2 % for all the time', { share: 0.02, burstS: 0, gapS: 0 }], ['half, for 2 s every 100 s', { share: 0.5, burstS: 2, gapS: 98 }], ['nine of ten, for 10 s every 100 s', { share: 0.9, burstS: 10, gapS: 90 }],
] as const
const beyonds = [['nothing', 0, 0], ['1 %, the limit', excessLimit, 0], ['20 % from 150 s on', 0.2, 150]] as const
for (const [noiseName, noise] of noises) for (const [name, excess, fromS] of beyonds) {
  const random = seededRandom(seed += 7_919)
  const decided = Array.from({ length: runs }, () => decideRun({ requestsPerSecond: { own: 20, control: 20 }, noise, excess, fromS }, gates20s, random))
  const share = (of: (each: (typeof decided)[number]) => boolean) => decided.filter(of).length / runs
  const [aborted, passed] = [share(({ controlled }) => controlled.isAborted), share(({ controlled }) => controlled.isPassed)]
  const cell = `noise of ${noiseName}, ${name} beyond it`
  if (excess > excessLimit) holds(aborted >= 0.95, `${cell}: only ${percent(aborted)} aborted`)
  else holds(aborted <= mostWrong, `${cell}: ${percent(aborted)} aborted`)
  if (excess > 0) holds(passed <= mostWrong, `${cell}: ${percent(passed)} passed`)
  row(noiseName, name, `${percent(aborted)} (${percent(share(({ alone }) => alone.isAborted))})`, `${percent(passed)} (${percent(share(({ alone }) => alone.isPassed))})`)
}

console.log('\n## What the gates cost\n')
v8.setFlagsFromString('--expose-gc')
const collect: unknown = vm.runInNewContext('gc')
if (typeof collect !== 'function') throw new Error('node has no garbage collector to ask')
const { gates, simulatedS, cpuS, earlyS, heapEarlyMiB, heapLateMiB } = measureGateLoad(isQuick ? 480 : 3_600, () => { collect() })
head('gates', 'blocks', 'simulated', 'share of one core', `heap after ${earlyS} s`, 'heap at the end')
row(gates, '1 s', `${simulatedS} s`, percent(cpuS / simulatedS), `${heapEarlyMiB.toFixed(1)} MiB`, `${heapLateMiB.toFixed(1)} MiB`)
holds(heapLateMiB < 1.1 * heapEarlyMiB, `the heap grew from ${heapEarlyMiB.toFixed(1)} to ${heapLateMiB.toFixed(1)} MiB`)
holds(cpuS / simulatedS < 0.5, `${gates} gates take ${percent(cpuS / simulatedS)} of a core`)

console.log(missed.length === 0 ? '\nEvery bar is met.' : `\nMissed:\n${missed.map(each => `- ${each}`).join('\n')}`)
process.exitCode = missed.length === 0 ? 0 : 1
