import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { maxFileBytes, parseExperiments, readExperimentFile, renderProblem } from '#shared/experiment-file.ts'
import { faultKinds } from '#shared/registry.ts'
import { printDuration } from '#shared/units.ts'
import { validate } from '../../services/cli/validate.ts'

const corpus = new URL('../corpus/experiments/', import.meta.url)
const textOf = (name: string) => readFileSync(new URL(name, corpus), 'utf8')
const sound = (change: (lines: Record<string, string>) => Record<string, string> = lines => lines) => Object.values(change({
  top: 'apiVersion: faultline.dev/v1alpha1\nkind: Experiment',
  metadata: 'metadata: {name: sound}',
  load: 'load: {users: 1, host: http://127.0.0.1:8000}',
  faults: 'faults: [{kind: kill, target: {process: {match: gunicorn}}}]',
  gates: 'gates: [{name: errors, errorRate: {max: 1%}}]',
})).join('\n')
const problemsOf = (text: string) => parseExperiments(text, 'x.yaml').problems
const rendered = (text: string) => problemsOf(text).map(renderProblem)

test('the experiment that the format was agreed on is read with its defaults', () => {
  const { experiments, problems } = parseExperiments(textOf('valid/issue.yaml'), 'issue.yaml')
  assert.deepEqual(problems.map(renderProblem), [])
  const [read] = experiments
  assert.ok(read && experiments.length === 1)
  const { experiment } = read
  assert.deepEqual(experiment.load, { users: 50, spawnRate: 25, host: 'http://127.0.0.1:8000', parameters: {}, reachedWithinMs: 32_000 })
  assert.deepEqual(experiment.faults.map(({ id, atMs, durationMs }) => ({ id, atMs, durationMs })), [{ id: '1-pause', atMs: 10_000, durationMs: 20_000 }])
  assert.deepEqual(experiment.gates.map(({ name, kind, source }) => `${name} ${kind} ${source}`),
    ['errors errorRate stream', 'p95 latency prometheus', 'up availability stream', 'custom promql prometheus'])
  assert.equal(experiment.steadyMs, 10_000)
  assert.equal(experiment.holdMs, 20_000)
})

test('several documents become several experiments, an empty one between them is passed over, and an alias stands for its anchor', () => {
  const { experiments, problems } = parseExperiments(textOf('valid/several.yaml'), 'several.yaml')
  assert.deepEqual(problems.map(renderProblem), [])
  assert.deepEqual(experiments.map(({ experiment }) => experiment.name), ['first', 'second'])
  assert.deepEqual(experiments[0]?.experiment.faults[1]?.target, { process: { match: 'gunicorn', pick: 'all' } })
})

test('every mistake in a file is told at once, in the order of the text, each at its place and with the nearest known word', () => {
  const told = problemsOf(textOf('invalid/many-mistakes.yaml')).map(({ line, column, path, didYouMean = '-' }) => `${line}:${column} ${path} ${didYouMean}`)
  assert.deepEqual(told, [
    '3:18 metadata.name -',
    '4:7 load.users -',
    '4:8 load.user users',
    '4:24 load.host -',
    '6:12 faults[0].kind kill',
    '7:26 faults[1].target.process -',
    '7:27 faults[1].target.proces process',
    '7:59 faults[1].at 10s',
    '9:27 gates[0].phase during',
    '11:12 gates[2].name -',
    '12:20 recovery.within -',
  ])
})

test('every file of the corpus of invalid ones is answered as test/corpus/experiments/answers.txt says', async () => {
  const answers = new URL('answers.txt', corpus)
  const told: string[] = []
  for (const name of readdirSync(new URL('invalid/', corpus)).sort()) {
    const { experiments, problems } = await readExperimentFile(fileURLToPath(new URL(`invalid/${name}`, corpus)))
    assert.deepEqual(experiments, [], name)
    told.push(...problems.map(problem => withoutKinds(renderProblem({ ...problem, file: name }))))
  }
  const text = `${told.join('\n')}\n`
  if (process.env['REWRITE']) writeFileSync(answers, text) // then read the diff
  assert.equal(text, readFileSync(answers, 'utf8'))
})

/** A new kind of fault or gate changes these lists and nothing else. */
function withoutKinds(line: string): string {
  return line
    .replace(/(\.kind: expected ).*(, found )/, '$1<a kind of fault>$2')
    .replace(/(gates\[\d+\]\.\S+: expected one of the keys ).*(, found )/, '$1<keys of a gate>$2')
    .replace(/exactly one of [\w, ]+;/, 'exactly one of <kinds of gate>;')
}

test('a problem is one line: file, line, column, path, what was expected, what was found, and the nearest word', () => {
  assert.deepEqual(rendered(sound(lines => ({ ...lines, faults: 'faults: [{kind: kill, target: {process: {match: gunicorn, pick: al}}}]' }))),
    ['x.yaml:5:65 faults[0].target.process.pick: expected "one" or "all" or a share such as 50%, found "al"; did you mean "all"?'])
  assert.deepEqual(rendered(sound(lines => ({ ...lines, gates: 'gates: [{name: errors, errorRate: {max: lots}}]' }))),
    ['x.yaml:6:41 gates[0].errorRate.max: expected a ratio such as 1%, 99.9% or 0.01, found "lots"'])
})

test('an unknown kind of fault is answered with all known ones', () => {
  const [problem] = problemsOf(sound(lines => ({ ...lines, faults: 'faults: [{kind: explode, target: {process: {match: gunicorn}}}]' })))
  for (const kind of faultKinds.keys()) assert.ok(problem?.expected.includes(kind), kind)
  assert.equal(problem?.found, '"explode"')
})

test('a kind of which a part is known, or all in another order, is suggested', () => {
  const meant = (kind: string) => problemsOf(sound(lines => ({ ...lines, faults: `faults: [{kind: ${kind}, target: {process: {match: gunicorn}}}]` })))[0]?.didYouMean
  assert.deepEqual(['process-pause', 'kill-pod', 'loss-network', 'explode-all'].map(meant), ['pause', 'pod-kill', 'network-loss', undefined])
})

test('rules between keys are told beside mistakes elsewhere', () => {
  const text = sound(lines => ({ ...lines, load: 'loads: 1', gates: 'gates: [{name: a, source: stream, errorRate: {max: 1%}}, {name: a, errorRate: {max: x}}, {name: b, phase: steady, source: prometheus, promql: {query: up, max: 1}}]' }))
  assert.deepEqual(problemsOf(text).map(({ path }) => path), ['loads', 'gates[0].source', 'gates[1].errorRate.max', 'gates[2].phase'])
})

test('an experiment without faults states how long its gates are judged, and has no recovery', () => {
  const faultless = (more: string, gates: string) => sound(lines => ({ ...lines, faults: `faults: []${more}`, gates: `gates: [${gates}]` }))
  const { experiments, problems } = parseExperiments(faultless('\nhold: 3m', '{name: a, phase: steady, errorRate: {max: 1%}, window: 2s}, {name: b, errorRate: {max: 1%}}'), 'x.yaml')
  assert.deepEqual([problems, experiments[0]?.experiment.steadyMs, experiments[0]?.experiment.holdMs], [[], 6_000, 180_000])
  assert.deepEqual(problemsOf(faultless('', '{name: a, phase: recovery, errorRate: {max: 1%}}')).map(({ path, expected }) => `${path}: ${expected}`), [
    'hold: a time such as 3m: without faults nothing else says how long the gates are judged',
    'gates[0].phase: steady or during: an experiment without faults has nothing to recover from',
  ])
  assert.deepEqual(problemsOf(faultless('\nhold: 3m', '{name: a, phase: steady, errorRate: {max: 1%}}')).map(({ path, expected }) => `${path}: ${expected}`), [
    'gates: a gate with the phase during: without faults it is the hold that is judged',
  ])
})

test('a gate has exactly one kind of limit', () => {
  assert.match(rendered(sound(lines => ({ ...lines, gates: 'gates: [{name: a}]' })))[0] ?? '', /6:9 gates\[0\]: expected exactly one of .*errorRate.*has none/)
  assert.match(rendered(sound(lines => ({ ...lines, gates: 'gates: [{name: a, errorRate: {max: 1%}, availability: {min: 99%}}]' })))[0] ?? '', /exactly one of .*has .* and /)
})

test('PromQL that does not parse is refused at its gate, with the character', () => {
  const [problem, ...others] = rendered(sound(lines => ({ ...lines, gates: "gates: [{name: a, promql: {query: 'sum(rate(x[5s])', max: 1}}]" })))
  assert.match(problem ?? '', /gates\[0\]\.promql\.query: expected PromQL.*character 16/)
  assert.deepEqual(others, [])
})

test('a time for the users to be there, and a locustfile, are kept as they were written', () => {
  const { experiments } = parseExperiments(sound(lines => ({ ...lines, load: 'load: {users: 1, host: http://127.0.0.1:8000, reachedWithin: 2m, locustfile: ours.py}' })), 'x.yaml')
  const { reachedWithinMs, locustfile } = experiments[0]?.experiment.load ?? {}
  assert.deepEqual([reachedWithinMs, locustfile], [120_000, 'ours.py'])
})

test('a locustfile\'s own arguments are kept, and none may take the place of a key or of the run\'s end', () => {
  const withParameters = (text: string) => sound(lines => ({ ...lines, load: `load: {users: 1, host: http://127.0.0.1:8000, parameters: ${text}}` }))
  const { experiments } = parseExperiments(withParameters('{think_scale: 0.5, mode: fast, cold: true}'), 'x.yaml')
  assert.deepEqual(experiments[0]?.experiment.load?.parameters, { think_scale: 0.5, mode: 'fast', cold: true })
  assert.match(rendered(withParameters('{run_time: 5s}'))[0] ?? '', /load\.parameters\.run_time: expected as a key: a name other than user_count, .*run_time/)
  assert.match(rendered(withParameters('{think-scale: 5}'))[0] ?? '', /expected as a key: lower-case letters, digits and underscores/)
})

test('a gate that could be read from nowhere is refused: PromQL from the stream, and the load\'s own metrics without a load', () => {
  const promql = sound(lines => ({ ...lines, gates: 'gates: [{name: a, source: stream, promql: {query: up, max: 1}}]' }))
  assert.deepEqual(rendered(promql), ['x.yaml:6:27 gates[0].source: expected prometheus for a promql gate, found "stream"'])
  const withoutLoad = sound(lines => ({ ...lines, load: '', gates: 'gates: [{name: a, errorRate: {max: 1%}}, {name: b, errorRate: {max: 1%, total: a, bad: b}}]' }))
  assert.deepEqual(rendered(withoutLoad), ['x.yaml:6:30 gates[0].errorRate: expected the names of the service\'s own metrics; an experiment without load has none of its own'])
})

test('a limit that must not be reached is told as such, on both sides', () => {
  const quantile = (value: number) => rendered(sound(lines => ({ ...lines, gates: `gates: [{name: a, latency: {quantile: ${value}, max: 1s}}]` })))
  assert.deepEqual(quantile(0), ['x.yaml:6:39 gates[0].latency.quantile: expected more than 0, found 0'])
  assert.deepEqual(quantile(1), ['x.yaml:6:39 gates[0].latency.quantile: expected less than 1, found 1'])
})

test('true where a map is wanted is told as true, and a long text is cut to fit a line', () => {
  assert.deepEqual(rendered(sound(lines => ({ ...lines, load: 'load: true' }))), ['x.yaml:4:7 load: expected a map, found true'])
  const [long] = problemsOf(sound(lines => ({ ...lines, load: `load: {users: 1, host: "${'x'.repeat(500)}"}` })))
  assert.equal(long?.found, JSON.stringify(`${'x'.repeat(80)}…`))
})

test('no more than a hundred flaws of a file are told, and such a file starts nothing', () => {
  const flawed = Array.from({ length: 150 }, (_, index) => `  ${index}: x`).join('\n') // numbers as keys
  const { experiments, problems } = parseExperiments(sound(lines => ({ ...lines, metadata: `metadata:\n  name: sound\n${flawed}` })), 'x.yaml')
  assert.deepEqual([experiments.length, problems.length, problems.at(-1)?.line], [0, 100, 104])
})

test('aliases cannot nest a file deeper than it could be written', () => {
  const nested = (inside: string) => `${'['.repeat(30)}${inside}${']'.repeat(30)}`
  const told = rendered(`a: &a ${nested('x')}\nb: &b ${nested('*a')}\nc: ${nested('*b')}`)
  assert.deepEqual(told.filter(line => line.includes('nesting')), [`x.yaml:2:37 c${'[0]'.repeat(60)}: expected at most 50 levels of nesting`])
})

test('one bad document makes the whole file start nothing', () => {
  const { experiments, problems } = parseExperiments(`${sound()}\n---\nkind: Experiment\n`, 'x.yaml')
  assert.deepEqual(experiments, [])
  assert.ok(problems.every(({ line }) => line === 8))
})

test('keys that mean something to JavaScript are refused and change nothing', () => {
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    const [problem] = problemsOf(`${sound()}\n"${key}": {polluted: true}`)
    assert.equal(problem?.path, key)
    const [inLabels] = problemsOf(sound(lines => ({ ...lines, metadata: `metadata: {name: sound, labels: {"${key}": x}}` })))
    assert.equal(inLabels?.path, `metadata.labels.${key}`, 'where any other may stand')
  }
  assert.equal(Reflect.get({}, 'polluted'), undefined)
})

test('no text makes the parser throw, and each gives either experiments or problems', () => {
  const yamlish = fc.array(fc.oneof(fc.constantFrom(...Array.from('[]{}:,-?*&!|>\'"%@`#\n\t 0a.')), fc.constantFrom('\n  ', '- ', ': ', '---\n', '&a ', '*a', '!!str ', '<<: ', '"\\0"', 'faults', 'gates', sound())), { maxLength: 60 })
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), yamlish.map(parts => parts.join(''))), text => {
    const { experiments, problems } = parseExperiments(text, 'x.yaml')
    assert.equal(experiments.length > 0, problems.length === 0)
    for (const problem of problems) assert.ok(problem.line >= 1 && problem.column >= 1 && renderProblem(problem).split('\n').length === 1, renderProblem(problem))
  }), { numRuns: 1_000 })
})

const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/)
const span = (minMs: number, maxMs: number) => fc.integer({ min: minMs, max: maxMs }).map(printDuration)
const optional = <T extends object>(value: fc.Arbitrary<T>) => fc.oneof(fc.constant({}), value)
const validDocument = fc.tuple(
  fc.record({ name, labels: fc.dictionary(fc.stringMatching(/^[a-z.]{1,9}$/).filter(key => key !== 'constructor' && key !== 'prototype'), fc.string({ maxLength: 20, unit: 'grapheme' })) }, { requiredKeys: ['name'] }),
  fc.record({ users: fc.integer({ min: 1, max: 100_000 }), host: fc.constant('http://127.0.0.1:8000'), spawnRate: fc.integer({ min: 1, max: 10_000 }) }, { requiredKeys: ['users', 'host'] }),
  fc.array(fc.record({
    kind: fc.constant('kill'),
    target: fc.record({ process: fc.record({ match: fc.stringMatching(/^[ -~]{2,40}$/), pick: fc.oneof(fc.constantFrom('one', 'all'), fc.integer({ min: 1, max: 1_000 })) }, { requiredKeys: ['match'] }) }),
    at: span(1_000, 3_600_000),
    signal: fc.constantFrom('SIGKILL', 'SIGTERM'),
  }, { requiredKeys: ['kind', 'target', 'at'] }), { minLength: 1, maxLength: 5 }),
  fc.uniqueArray(fc.record({
    name,
    phase: fc.constantFrom('steady', 'during', 'recovery'),
    errorRate: fc.record({ max: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }).map(value => value + 0), fc.integer({ min: 0, max: 100 }).map(percent => `${percent}%`)) }),
  }, { requiredKeys: ['name', 'errorRate'] }), { minLength: 1, maxLength: 5, selector: gate => gate.name }),
  optional(fc.record({ hold: span(0, 60_000) })),
  optional(fc.record({ lease: span(1_000, 600_000) })),
).map(([metadata, load, faults, gates, hold, lease]) => ({ apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata, load, faults, gates, ...hold, ...lease }))

test('every experiment that the format allows is read back as the plain JSON that was written, from YAML and from JSON', () => {
  fc.assert(fc.property(validDocument, written => {
    const plain: unknown = JSON.parse(JSON.stringify(written))
    for (const text of [stringify(written), JSON.stringify(written), JSON.stringify(written, null, 2)]) {
      const { experiments, problems } = parseExperiments(text, 'x.yaml')
      assert.deepEqual(problems.map(renderProblem), [])
      assert.deepEqual(experiments.map(({ document }) => document), [plain])
      assert.equal(experiments[0]?.experiment.faults.length, written.faults.length)
    }
  }))
})

test('what is no readable text file is refused with what it is', async () => {
  await using folder = await temporaryFolder()
  execFileSync('mkfifo', [join(folder.path, 'pipe')])
  await writeFile(join(folder.path, 'large'), '#\n'.repeat(maxFileBytes))
  await writeFile(join(folder.path, 'latin'), Buffer.from([0x63, 0x61, 0x66, 0xe9]))
  const expected: Record<string, RegExp> = {
    [folder.path]: /a directory/, [join(folder.path, 'none')]: /^no such file$/, [join(folder.path, 'pipe')]: /pipe/, '/dev/zero': /device/,
    [join(folder.path, 'large')]: /256 KiB/, [join(folder.path, 'latin')]: /binary/, 'nul\0name': /null bytes/,
  }
  for (const [path, found] of Object.entries(expected)) {
    const { experiments, problems } = await readExperimentFile(path)
    assert.deepEqual(experiments, [])
    assert.match(problems[0]?.found ?? '', found, path)
  }
})

test('a byte order mark before the text is no part of it', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'bom.yaml'), `\uFEFF${sound()}`)
  assert.equal((await readExperimentFile(join(folder.path, 'bom.yaml'))).experiments.length, 1)
})

test('validate ends with 0 only if every file is sound, and says the same in JSON', async () => {
  await using folder = await temporaryFolder()
  const good = join(folder.path, 'good.yaml')
  const bad = join(folder.path, 'bad.yaml')
  await writeFile(good, sound())
  await writeFile(bad, `${sound()}\nholt: 1s`)
  assert.deepEqual(await validate([good], { json: false }), { exitCode: 0, output: `${good}: valid: sound` })
  assert.equal((await validate([], { json: false })).exitCode, 3)
  const { exitCode, output } = await validate([good, bad], { json: true })
  assert.equal(exitCode, 3)
  const answer = JSON.parse(output) as { valid: boolean; files: { experiments: string[]; problems: { path: string; didYouMean?: string }[] }[] }
  assert.equal(answer.valid, false)
  assert.deepEqual(answer.files.map(({ experiments }) => experiments), [['sound'], []])
  assert.deepEqual(answer.files[1]?.problems.map(({ path, didYouMean }) => ({ path, didYouMean })), [{ path: 'holt', didYouMean: 'hold' }])
})

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'faultline-experiment-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}
