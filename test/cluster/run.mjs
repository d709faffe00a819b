/**
 * `npm run test:cluster`: brings the cluster up if it is not, runs the tests on it, most of them one file at a time, and takes it down
 * again if it was down before. Arguments narrow the tests to the files whose path contains one of them; `--keep` leaves the cluster up.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { runningAgain } from '../run-again.mjs'
import { watchRun } from '../run-end.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const bundled = `${root}node_modules/.bin/node`
const node = existsSync(bundled) ? bundled : process.execPath
const infrastructure = 4

/** @param {readonly string[]} args @param {import('node:child_process').StdioOptions} stdio */
const run = (args, stdio = 'inherit') => codeOf(spawn(node, args, { cwd: root, stdio }))
/** @param {import('node:child_process').ChildProcess} child */
const codeOf = async child => (await ended(child)).status ?? infrastructure
/** Gives way to everything else for a processor; resolves with its exit code. @param {readonly string[]} args */
function begin(args) {
  const child = spawn(node, args, { cwd: root, stdio: 'inherit' })
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW)
  return codeOf(child)
}
/** @param {string[]} args */
const cluster = (...args) => run(['test/cluster/cluster.ts', ...args])

const wanted = process.argv.slice(2).filter(argument => argument !== '--keep')
/** @param {string} folder */
const testsIn = folder => readdirSync(root + folder).filter(file => file.endsWith('.test.ts')).map(file => `${folder}/${file}`)
  .filter(file => wanted.length === 0 || wanted.some(part => file.includes(part)))
const files = testsIn('test/cluster')
/** @param {string} name */
const inFaultline = name => `test/cluster/faultline/${name}.test.ts`
/**
 * Of an installed faultline, tests that replace none of its parts, ask nothing of the whole cluster and take no picture of a node: two files at a time.
 */
const besideOthers = new Set(['author-policy', 'experiment', 'joining', 'key-rotation', 'manifests', 'opt-in-policy', 'partition', 'privileges'].map(inFaultline))
/** Begin without faultline, as a cluster has none at first, nor when one has ended without it: it is not uninstalled once more for them. */
const beginWithout = new Set([inFaultline('campaign'), 'test/cluster/load/load.test.ts'])
/** Ends without faultline, and does not install it once more for the others. */
const endsWithout = inFaultline('uninstall')
/** @param {readonly string[]} files @returns {{ files: string[], atOnce: number }[]} */
function inOrder(files) {
  const between = files.filter(file => !beginWithout.has(file) && file !== endsWithout)
  return [
    { files: files.filter(file => beginWithout.has(file)), atOnce: 1 },
    { files: between.filter(file => !besideOthers.has(file)), atOnce: 1 },
    { files: between.filter(file => besideOthers.has(file)), atOnce: 2 },
    { files: files.filter(file => file === endsWithout), atOnce: 1 },
  ].filter(group => group.files.length > 0)
}
/**
 * Tests that know nothing of this cluster but its kubeconfig, and so run on any: their images are loaded, and they run in its network. A variant
 * stays installed, and no other can take its place.
 * @type {readonly { folder: string, images: string[], variant?: string }[]}
 */
const onAnyCluster = [
  { folder: 'test/cluster/faultline', images: ['services', 'nats', 'prometheus'] },
  { folder: 'test/cluster/workload', images: ['shop', 'postgres', 'redis', 'locust'] },
  { folder: 'test/cluster/load', images: ['services', 'nats', 'prometheus', 'shop', 'postgres', 'redis', 'locust'] },
  { folder: 'test/cluster/faultline-ha', images: ['services', 'nats', 'prometheus'], variant: 'ha' },
]
const suites = onAnyCluster.map(suite => ({ ...suite, files: testsIn(suite.folder) })).filter(suite => suite.files.length > 0)
if (files.length + suites.length === 0) {
  console.error(`no test file has ${wanted.join(' or ')} in its path`)
  process.exit(1)
}

const { ended, exit, atEnd } = watchRun(node)
const wasUp = await run(['test/cluster/cluster.ts', 'status'], 'ignore') === 0
const staysUp = wasUp || process.argv.includes('--keep')
if (!staysUp) atEnd(node, `${root}test/cluster/cluster.ts`, 'down') // also when a signal ends this
const upStatus = await cluster('up')
if (upStatus !== 0) await exit(upStatus)

const failures = 'coverage/failed-cluster.txt'
mkdirSync(`${root}coverage`, { recursive: true })
const runner = ['--test', '--test-timeout=900000', '--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=./test/failed-tests.ts', `--test-reporter-destination=${failures}`]
const again = runningAgain()
/**
 * Resolves with 0 when all of them pass, at once or when what has failed was run again.
 * @param {(args: readonly string[]) => Promise<number>} start @param {readonly string[]} testFiles
 */
async function runTests(start, testFiles, atOnce = 1) {
  const status = await start([...runner, `--test-concurrency=${atOnce}`, ...testFiles])
  if (status === 0) return status
  const failed = existsSync(root + failures) ? readFileSync(root + failures, 'utf8') : ''
  return await again(failed, async alone => await start([...runner, '--test-concurrency=1', ...alone]) === 0) ? 0 : status
}
/** Looks for whatever a cluster leaves on the machine, so that nothing is built beside it. */
const seesMachine = 'test/cluster/lifecycle.test.ts'
let status = files.includes(seesMachine) ? await runTests(run, [seesMachine]) : 0
/** Builds and loads these; 0 as well when there are none. @param {readonly string[]} images */
const load = async images => images.length === 0 ? 0 : begin(['services/cli/images/main.ts', '--load', 'cluster', '--only', ...images])
const first = suites[0]?.images ?? []
/** What only later suites need is built while the first one runs; all of it gives way to the tests. */
const later = [...new Set(suites.flatMap(({ images }) => images))].filter(image => !first.includes(image))
const firstLoaded = status === 0 ? load(first) : Promise.resolve(status)
const ofCluster = files.filter(file => file !== seesMachine)
if (status === 0 && ofCluster.length > 0) status = await runTests(run, ofCluster)
const firstStatus = await firstLoaded // when the tests failed, too: nothing is taken down under it
status ||= firstStatus
const laterLoaded = status === 0 ? load(later) : Promise.resolve(status)
for (const suite of suites) {
  if (status !== 0) break
  process.env['FAULTLINE_TEST_VARIANT'] = suite.variant ?? 'base'
  if (suite.images.some(image => later.includes(image))) status = await laterLoaded
  for (const group of inOrder(suite.files)) status ||= await runTests(args => cluster('run', node, ...args), group.files, group.atOnce)
}
await laterLoaded // nothing is taken down under it

const downStatus = staysUp ? 0 : await cluster('down')
atEnd()
await exit(status !== 0 ? 1 : downStatus)
