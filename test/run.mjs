/**
 * `npm test`: types, lint, then every test that needs no cluster, on Node 24 whatever node runs this file.
 * Arguments narrow the tests to the files whose path contains one of them: `npm test -- units`. Only the whole set can say whether the
 * pure cores are covered.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = name => `${root}node_modules/.bin/${name}`
const node = existsSync(bin('node')) ? bin('node') : process.execPath

function run(command, ...args) {
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) {
    console.error(`${command.replace(root, '')} ended with ${signal ?? `code ${status}`}`)
    process.exit(1)
  }
}

const wanted = process.argv.slice(2)
const files = ['unit', 'integration'].flatMap(folder => readdirSync(`${root}test/${folder}`)
  .filter(file => file.endsWith('.test.ts'))
  .map(file => `test/${folder}/${file}`))
  .filter(file => wanted.length === 0 || wanted.some(part => file.includes(part)))
if (files.length === 0) {
  console.error(`no test file has ${wanted.join(' or ')} in its path`)
  process.exit(1)
}

run(node, bin('tsc'), '--noEmit')
run(node, bin('oxlint'), '--type-aware', '--deny-warnings', 'services', 'shared', 'test')
const lcov = 'coverage/lcov.info'
mkdirSync(`${root}coverage`, { recursive: true })
// one file at a time: the tests measure deadlines of real parts, and two cores are soon full
run(node, '--test', '--test-concurrency=1', '--test-timeout=900000', '--experimental-test-coverage', '--test-coverage-include=shared/**', '--test-coverage-include=services/**',
  '--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=lcov', `--test-reporter-destination=${lcov}`, ...files)
if (wanted.length === 0) run(node, 'test/core-coverage.ts', lcov)
else console.log('Not the whole set of tests: the coverage of the pure cores was not checked.')
