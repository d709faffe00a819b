import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseExperiments, readExperimentFile, renderProblem } from '#shared/experiment-file.ts'
import { toolPath } from '#shared/tools.mjs'
import { initCommand } from '../../services/cli/init/init-command.ts'
import { knownBy, labelOf, printExperiment, printLocustfile } from '../../services/cli/init/starter.ts'
import { evidenceWarnings } from '../../services/cli/plan/evidence-warnings.ts'
import { temporaryFolder } from '../parts/child.ts'

const host = 'http://127.0.0.1:8000'

test('a process is known by its program, or by the script that an interpreter runs', () => {
  assert.equal(knownBy(['/usr/local/bin/checkout', '--port', '80']), 'checkout')
  assert.equal(knownBy(['/usr/bin/python3.11', '-u', '/srv/shop/svc.py', '8123']), 'svc.py')
  assert.equal(knownBy(['node', '--import', './tracing.js', 'server.js']), 'tracing.js')
  assert.equal(knownBy(['java']), 'java')
  for (const argv of [['', ''], ['-x'], ['a'], ['a\u001bb'], []]) assert.equal(knownBy(argv), undefined, JSON.stringify(argv))
})

test('a label is made of any name, and is one', () => {
  assert.deepEqual(['svc.py', 'Checkout_API', '…', 'a'.repeat(90)].map(labelOf), ['svc', 'checkout-api', 'service', 'a'.repeat(40)])
  fc.assert(fc.property(fc.string({ unit: 'binary' }), name => {
    assert.match(`${labelOf(name)}-pause`, /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/)
  }))
})

test('the experiment is valid whatever the process is known by, and stops what was meant', () => {
  fc.assert(fc.property(fc.array(fc.string({ maxLength: 100, unit: 'grapheme' })).map(knownBy).filter(match => match !== undefined), match => {
    const { experiments: [written], problems } = parseExperiments(printExperiment({ name: 'svc-pause', host, paths: ['/'], match }), 'experiment.yaml')
    assert.deepEqual(problems.map(renderProblem), [])
    assert.deepEqual(written?.experiment.faults.map(({ kind, target }) => [kind, target]), [['pause', { process: { match, pick: 'one' } }]])
  }), { numRuns: 500, examples: [['\u3000\u{10000}'], [' a '], ['\u00a0ab']] })
})

test('without a process it is a load test: no fault, and gates that are judged for a time', () => {
  const { experiments: [written], problems } = parseExperiments(printExperiment({ name: 'first-load', host, paths: ['/'], match: undefined }), 'experiment.yaml')
  assert.deepEqual(problems.map(renderProblem), [])
  assert.deepEqual([written?.experiment.faults, written?.experiment.holdMs], [[], 20_000])
})

test('neither experiment has a gate that its forty requests a second would show too little to', () => {
  for (const match of ['svc', undefined]) {
    const { experiments } = parseExperiments(printExperiment({ name: 'one', host, paths: ['/'], match }), 'experiment.yaml')
    assert.deepEqual(experiments.flatMap(({ experiment }) => evidenceWarnings(experiment, { rps: 40 })), [])
  }
})

test('the locustfile is Python with the paths that were given, whatever they are', () => {
  const paths = ['/', '/it\'s', '/"quoted"', '/back\\slash', '/ü-%20', '/\u{1f40d}', '/${name}']
  const read = execFileSync(toolPath('python'), ['-c', `
import ast, json, sys
[assignment] = [node for node in ast.parse(sys.stdin.read()).body if isinstance(node, ast.Assign)]
print(json.dumps(ast.literal_eval(assignment.value)))`], { input: printLocustfile({ paths }), encoding: 'utf8' })
  assert.deepEqual(JSON.parse(read), paths)
})

test('two files are written, and the next commands are told with the process that was named', async () => {
  using folder = temporaryFolder('init')
  const first = join(folder.path, 'first')
  const told = await initCommand(first, { host, path: ['/', '/health'], allow: `svc=${process.pid}` })
  assert.deepEqual((await readdir(first)).sort(), ['experiment.yaml', 'locustfile.py'])
  assert.deepEqual((await readExperimentFile(join(first, 'experiment.yaml'))).problems, [])
  assert.match(await readFile(join(first, 'locustfile.py'), 'utf8'), /^PATHS = \["\/","\/health"\]$/m)
  assert.match(told, new RegExp(`npx faultline run \\S*experiment\\.yaml --allow svc=${process.pid} `))
})

test('the next commands can be pasted into a shell, whatever the folder is called', async () => {
  using folder = temporaryFolder('init')
  for (const name of ['of mine', 'it\'s', '$HOME;`x`', 'plain']) {
    const told = await initCommand(join(folder.path, name), { host, path: ['/'] })
    const [, typed = assert.fail()] = /npx faultline run (.+?) +# /.exec(told) ?? []
    assert.equal(execFileSync('sh', ['-c', `printf %s ${typed}`], { encoding: 'utf8' }), relative('.', join(folder.path, name, 'experiment.yaml')))
  }
})

test('a login in the host is the load\'s alone: reports show the description', () => {
  const { experiments: [written = assert.fail()] } = parseExperiments(printExperiment({ name: 'first-load', host: 'http://user:secret@127.0.0.1:8000', paths: ['/'], match: undefined }), 'experiment.yaml')
  assert.equal(written.experiment.load?.host, 'http://user:secret@127.0.0.1:8000')
  assert.equal((written.document as { description: string }).description, 'Does http://127.0.0.1:8000 keep its limits under this load?')
})

test('nothing is overwritten, and where the second file is in the way the first is not left', async () => {
  using folder = temporaryFolder('init')
  await writeFile(join(folder.path, 'locustfile.py'), 'mine')
  await assert.rejects(initCommand(folder.path, { host, path: ['/'] }), { exitCode: 3, message: /locustfile\.py is there already, and nothing is overwritten/ })
  assert.deepEqual(await readdir(folder.path), ['locustfile.py'])
  assert.equal(await readFile(join(folder.path, 'locustfile.py'), 'utf8'), 'mine')
})

test('a host, a path or a process that is none is refused, and nothing is written', async () => {
  using folder = temporaryFolder('init')
  const begun = join(folder.path, 'new')
  await assert.rejects(initCommand(begun, { host: '127.0.0.1:8000', path: ['/'] }), { exitCode: 3, message: /^--host 127\.0\.0\.1:8000: expected a URL such as/ })
  await assert.rejects(initCommand(begun, { host, path: ['health'] }), { exitCode: 3, message: /^--path health: expected a path on .*, such as \/health; a folder is named before --path$/ })
  await assert.rejects(initCommand(begun, { host, path: ['/'], allow: '99999999' }), { exitCode: 3, message: /there is no process 99999999/ })
  for (const place of ['/dev/null/x', '/proc/x']) await assert.rejects(initCommand(place, { host, path: ['/'] }), { exitCode: 3, message: /cannot be written: .*; name another folder/ })
  assert.deepEqual(await readdir(folder.path), [])
})
