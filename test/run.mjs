/**
 * `npm test`: types, lint, then every test that needs no cluster, on Node 24 whatever node runs this file.
 * Arguments narrow the tests to the files whose path contains one of them: `npm test -- units`. Only the whole set can say whether the
 * pure cores are covered.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { runningAgain } from './run-again.mjs'
import { watchRun } from './run-end.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = name => `${root}node_modules/.bin/${name}`
const node = existsSync(bin('node')) ? bin('node') : process.execPath

async function run(command, ...args) {
  const { status, signal } = await ended(spawn(command, args, { cwd: root, stdio: 'inherit' }))
  if (status === 0) return
  console.error(`${command.replace(root, '')} ended with ${signal ?? `code ${status}`}`)
  await exit(1)
}

const wanted = process.argv.slice(2)
const filesOf = folder => readdirSync(`${root}test/${folder}`)
  .filter(file => file.endsWith('.test.ts'))
  .map(file => `test/${folder}/${file}`)
  .filter(file => wanted.length === 0 || wanted.some(part => file.includes(part)))
const [unit, simulation, integration] = [filesOf('unit'), filesOf('simulation'), filesOf('integration')]
if (unit.length + simulation.length + integration.length === 0) {
  console.error(`no test file has ${wanted.join(' or ')} in its path`)
  process.exit(1)
}

const { ended, exit } = watchRun(node)
await run(node, bin('tsc'), '--noEmit')
await run(node, bin('tsc'), '--noEmit', '--project', 'services/scheduler/page') // it runs in browsers, and knows nothing of Node
await run(node, bin('oxlint'), '--type-aware', '--deny-warnings', 'services', 'shared', 'test', 'grafana')
const lcov = 'coverage/lcov.info'
mkdirSync(`${root}coverage`, { recursive: true })
const runner = ['--test', '--test-timeout=900000', '--test-reporter=spec', '--test-reporter-destination=stdout']
if (unit.length > 0) {
  // what is pure is walked by unit tests alone: an end-to-end test takes a branch without asking what comes of it
  await run(node, ...runner, `--test-concurrency=${availableParallelism()}`, '--experimental-test-coverage', '--test-coverage-include=shared/**', '--test-coverage-include=services/**',
    '--test-reporter=lcov', `--test-reporter-destination=${lcov}`, ...unit)
}
if (wanted.length === 0) await run(node, 'test/core-coverage.ts', lcov)
else console.log('Not the whole set of tests: the coverage of the pure cores was not checked.')
if (simulation.length > 0) await run(node, ...runner, '--test-concurrency=1', ...simulation) // a file of its own is on all processors already
/**
 * Integration tests that wait more than they work, put no load on anything and measure no deadline. They go on beside the others,
 * and give way to them for a processor; what they say is kept until the others are through.
 */
const givesWay = new Set([
  'access', 'adversarial', 'alert-rules', 'bad-input', 'burn-rate-history', 'bus', 'control-gates', 'counter-gates', 'coverage', 'coverage-command', 'epoch-bucket', 'evaluator-prometheus', 'evaluator-service', 'fact-store', 'false-pass-traps', 'gate', 'grafana', 'halt',
  'halt-audit', 'halt-object', 'locust-login', 'nats-rotation', 'nats-tls', 'nats-users', 'partial-fault', 'plan', 'policies', 'prometheus-there', 'quarantine', 'reconciled-gates', 'release-check', 'release-examples',
  'revoked-streams', 'run-services', 'scheduler-api', 'setup', 'silent-api-server', 'slo-gates', 'thread', 'threats', 'verify',
].map(name => `test/integration/${name}.test.ts`))
const lowPriority = 5
/** Integration tests of who is given up after how many hundred milliseconds: nothing else goes on then. */
const alone = new Set(['leadership', 'lost-lease', 'stopped-server'].map(name => `test/integration/${name}.test.ts`))

/**
 * Runs test files; what they say is given back, unless they may speak at once, and which of their tests have failed.
 * @param {{ name: string, files: readonly string[], atOnce: number, speaks: boolean }} lane
 */
function inOneLane({ name, files, atOnce, speaks }) {
  const failures = `${root}coverage/failed-${name}.txt`
  const child = spawn(node, [...runner, '--test-reporter=./test/failed-tests.ts', `--test-reporter-destination=${failures}`, `--test-concurrency=${atOnce}`, ...files], { cwd: root, stdio: ['ignore', speaks ? 'inherit' : 'pipe', speaks ? 'inherit' : 'pipe'] })
  if (!speaks && child.pid !== undefined) setPriority(child.pid, lowPriority)
  let said = ''
  for (const output of [child.stdout, child.stderr]) output?.setEncoding('utf8').on('data', chunk => { said += chunk })
  return ended(child).then(({ status }) => ({ isGood: status === 0, said, failed: readFileSync(failures, 'utf8') }))
}

const [beside, last] = [givesWay, alone].map(set => integration.filter(file => set.has(file)))
const others = integration.filter(file => !givesWay.has(file) && !alone.has(file))
if (beside.length > 0 && others.length > 0) console.log(`${beside.length} integration tests go on beside the other ${others.length}, and are told of after them.`)
const lanes = await Promise.all([
  { name: 'beside', files: beside, atOnce: 2, speaks: others.length === 0 },
  { name: 'others', files: others, atOnce: 2, speaks: true }, // together they keep one processor busy
].filter(({ files }) => files.length > 0).map(inOneLane))
for (const { said } of lanes) process.stdout.write(said)
const again = runningAgain()
/** Whether all are good, now or when what has failed was run again. @param {readonly { isGood: boolean, failed: string }[]} lanesSoFar */
async function areGood(lanesSoFar) {
  const bad = lanesSoFar.filter(({ isGood }) => !isGood)
  if (bad.length === 0) return true
  const failed = bad.map(lane => lane.failed || '✖ nobody knows which\n') // then none is run again
  return again(failed.join(''), async files => (await inOneLane({ name: 'again', files, atOnce: 1, speaks: true })).isGood)
}
const isGood = await areGood(lanes)
if (last.length === 0) await exit(isGood ? 0 : 1)
const isLastGood = await areGood([await inOneLane({ name: 'alone', files: last, atOnce: 1, speaks: true })])
await exit(isGood && isLastGood ? 0 : 1)
