import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { parseAllDocuments, stringify } from 'yaml'
import { parseExperiments, readExperimentFile, renderProblem } from '#shared/experiment-file.ts'
import { readServiceLevels } from '#shared/openslo-levels.ts'
import { promqlProblem } from '#shared/promql.ts'
import { openRanges, type BareSelectors } from '#shared/promql-range.ts'
import { experimentIdentity } from '#shared/release-run.ts'
import type { ServiceLevel } from '#shared/service-level.ts'
import { issueProblems, parseSloFile, refusalProblems } from '#shared/slo-file.ts'
import { sloCommand } from '../../services/cli/slo.ts'

const corpus = new URL('../corpus/openslo/', import.meta.url)
const read = (text: string, name = 'slo.yaml') => {
  const { documents, problems } = parseSloFile(text, name)
  return { documents, problems, ...readServiceLevels(documents.map(({ plain }) => plain)) }
}
const levelOf = (file: string, name: string): ServiceLevel => {
  const { levels } = read(readFileSync(new URL(`valid/${file}`, corpus), 'utf8'))
  return levels.find(level => level.name === name)?.level ?? assert.fail(`${name} of ${file} cannot be read`)
}
const promqlOf = ({ indicator }: ServiceLevel, windowMs = 5_000) => indicator.is === 'share' ? indicator.badOver(windowMs) : indicator.over(windowMs)

test('every valid file of the corpus is read without a word, and all of its PromQL parses at any range', () => {
  for (const name of readdirSync(new URL('valid/', corpus))) {
    const { problems, issues, levels } = read(readFileSync(new URL(`valid/${name}`, corpus), 'utf8'), name)
    assert.deepEqual([problems, issues, levels.flatMap(({ refusals }) => refusals)], [[], [], []], name)
    assert.ok(levels.length > 0)
    for (const { level } of levels) for (const windowMs of [1, 60_000]) assert.equal(level && promqlProblem(promqlOf(level, windowMs)), undefined, name)
  }
})

test('every invalid file of the corpus is answered as test/corpus/openslo/answers.txt says, and none of it can be a gate', () => {
  const answers = new URL('answers.txt', corpus)
  const told: string[] = []
  for (const name of readdirSync(new URL('invalid/', corpus)).sort()) {
    const { documents, problems, issues, levels } = read(readFileSync(new URL(`invalid/${name}`, corpus), 'utf8'), name)
    const found = [...problems, ...issues.flatMap(issue => issueProblems(documents, issue)), ...levels.flatMap(({ refusals }) => refusals.flatMap(refusal => refusalProblems(documents, refusal)))]
    assert.ok(found.length > 0, name)
    assert.ok(levels.every(({ level, refusals }) => (level === undefined) === (refusals.length > 0)), name)
    told.push(...found.map(renderProblem))
  }
  const text = `${told.join('\n')}\n`
  if (process.env['REWRITE']) writeFileSync(answers, text) // then read the diff
  assert.equal(text, readFileSync(answers, 'utf8'))
})

test('counters without a range are read by their increase over the gate\'s, and good events are taken from all', () => {
  const { service, budgeting, objectives, ...level } = levelOf('counters.yaml', 'web-availability')
  assert.equal(promqlOf({ service, budgeting, objectives, ...level }), '1 - (sum(sum(increase(http_requests{k8s_cluster="prod",component="web",code=~"2xx|4xx"}[5000ms]))) or 0 * sum(sum(increase(http_requests{k8s_cluster!="",component!="",code!=""}[5000ms]))))'
    + ' / sum(sum(increase(http_requests{k8s_cluster="prod",component="web"}[5000ms])))')
  assert.deepEqual([service, budgeting, objectives], ['web', 'Timeslices', [{ displayName: 'Good', budget: 0.005, slice: { lengthMs: 60_000, badShare: 0.05 } }]])
})

test('a dashboard\'s five minutes give way to the gate\'s range, and a comment comments nothing out', () => {
  const level = levelOf('rates.yaml', 'checkout-availability')
  assert.equal(promqlOf(level, 10_000).replaceAll(/\s+/g, ' '), '(sum(sum(rate(http_requests_total{service="checkout", code=~"5.."}[10000ms]))) or 0 * sum(sum(rate(http_requests_total{service!="",code!=""}[10000ms]))))'
    + ' / sum(sum(rate(http_requests_total{service="checkout"}[10000ms])))')
  assert.deepEqual(level.objectives.map(({ displayName, budget }) => [displayName, budget]), [['Promise', 0.001], ['Hope', 0.0001]])
  assert.deepEqual(read(readFileSync(new URL('valid/rates.yaml', corpus), 'utf8')).passedOver, ['Service checkout', 'AlertCondition fast-burn', 'AlertPolicy checkout-burns', 'AlertNotificationTarget on-call'])
})

test('the words that tools fill in are ranges; queries that combine series are taken as they are', () => {
  assert.equal(promqlOf(levelOf('templates.yaml', 'sloth')), 'sum(sum(rate(a_total{code="5"}[5000ms])) + sum(increase(b_total[5000ms]))) / sum(sum(rate(a_total[5000ms])) + sum(increase(b_total[5000ms])))')
  const grafana = levelOf('templates.yaml', 'grafana')
  assert.equal(promqlOf(grafana), '1 - (sum(rate(a_total{code="2"}[5000ms])) or 0 * sum(rate(a_total{code!=""}[5000ms]))) / sum(rate(a_total[5000ms]))')
  assert.deepEqual(grafana.objectives[0]?.slice, { lengthMs: 120_000 })
})

test('what goes up and down is summed, a ratio that was reckoned already is averaged, and a success is turned over', () => {
  assert.equal(promqlOf(levelOf('gauges.yaml', 'replicas')), '1 - (sum(sum_over_time(kube_deployment_status_replicas_available{deployment="web"}[5000ms])) or 0 * sum(sum_over_time(kube_deployment_status_replicas_available{deployment!=""}[5000ms])))'
    + ' / sum(sum_over_time(kube_deployment_spec_replicas{deployment="web"}[5000ms]))')
  assert.equal(promqlOf(levelOf('gauges.yaml', 'recorded-success')), '1 - (avg_over_time(job:success:ratio{job="web"}[5000ms]))')
  assert.equal(promqlOf(levelOf('gauges.yaml', 'reckoned-failure')), 'sum(rate(bad_total[5000ms])) / sum(rate(all_total[5000ms]))')
})

test('a threshold\'s value is that of the gate\'s range, or of the moment', () => {
  assert.equal(promqlOf(levelOf('thresholds.yaml', 'p99')), 'histogram_quantile(0.99, sum by (le) (rate(http_seconds_bucket[5000ms])))')
  assert.equal(promqlOf(levelOf('thresholds.yaml', 'queue')), 'sum(queue_length)')
  assert.deepEqual(levelOf('thresholds.yaml', 'queue').objectives, [{ displayName: null, budget: 0.01, threshold: { op: 'lte', value: 100 }, slice: { lengthMs: 300_000, badShare: 0.1 } }])
})

test('whatever selectors an expression is made of, at any range it parses, and no other range is left in it', () => {
  const selector = fc.tuple(fc.constantFrom('a_total', 'job:b:sum', 'c'), fc.constantFrom('', '{}', '{x="1"}', '{x=~"[5m]|}",y!="\\""}')).map(parts => parts.join(''))
  const ranged = fc.tuple(fc.constantFrom('rate', 'increase', 'avg_over_time'), selector, fc.constantFrom('5m', '1h30m', '1s', '300')).map(([call, of, range]) => `${call}(${of}[${range}])`)
  const { expression } = fc.letrec<{ expression: string }>(tie => ({
    expression: fc.oneof({ maxDepth: 4 }, selector, ranged,
      fc.tuple(fc.constantFrom('sum', 'max by (x)', 'scalar', '-'), tie('expression')).map(([call, of]) => `${call}(${of}) # [5m]\n`),
      fc.tuple(tie('expression'), fc.constantFrom('+', '/ on (x)', 'or', '> bool'), tie('expression')).map(([a, op, b]) => `(${a}) ${op} (${b})`)),
  }))
  fc.assert(fc.property(expression, fc.constantFrom<BareSelectors>('increase', 'sum_over_time', 'avg_over_time'), fc.integer({ min: 1, max: 10 ** 9 }), (written, bare, windowMs) => {
    const opened = openRanges(written, bare)
    assert.ok('over' in opened, JSON.stringify(opened))
    for (const made of [opened.over, opened.anyValues].flatMap(over => over ? [over(windowMs)] : [])) {
      assert.equal(promqlProblem(made), undefined, made)
      const ranges = [...made.replaceAll(/"(?:\\.|[^"\\])*"/g, '').matchAll(/\[([^\]]*)\]/g)].map(([, range]) => range)
      assert.ok(ranges.length > 0 && ranges.every(range => range === `${windowMs}ms`), made)
    }
  }))
})

test('no text makes the reader throw, and each file gives either documents or problems', () => {
  const sound = readFileSync(new URL('valid/rates.yaml', corpus), 'utf8')
  const cut = fc.tuple(fc.nat(sound.length), fc.nat(80), fc.constantFrom('', '~', '[]', '{a: 1}', '- ', '99', '---\n', 'x')).map(([from, length, put]) => sound.slice(0, from) + put + sound.slice(from + length))
  fc.assert(fc.property(fc.oneof(cut, fc.string({ unit: 'binary' })), text => {
    const { documents, problems, issues, levels } = read(text)
    assert.equal(documents.length > 0, problems.length === 0)
    for (const problem of [...problems, ...issues.flatMap(issue => issueProblems(documents, issue)), ...levels.flatMap(({ refusals }) => refusals.flatMap(refusal => refusalProblems(documents, refusal)))]) {
      assert.ok(problem.line >= 1 && renderProblem(problem).split('\n').length === 1, renderProblem(problem))
    }
  }), { numRuns: 500 })
})

const experiment = (slos: string, gates = '[{name: a, slo: {name: checkout-availability, objective: Promise}}]') => `apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: held}
faults: [{kind: kill, target: {process: {match: gunicorn}}}]
slos: ${slos}
gates: ${gates}
`
const rates = readFileSync(new URL('valid/rates.yaml', corpus), 'utf8')

/** What the command reads of an experiment beside files of these names. */
async function inFolder(files: Readonly<Record<string, string>>, text: string) {
  const folder = mkdtempSync(join(tmpdir(), 'openslo-'))
  try {
    for (const [name, content] of Object.entries({ ...files, 'experiment.yaml': text })) writeFileSync(join(folder, name), content)
    const { experiments, problems } = await readExperimentFile(join(folder, 'experiment.yaml'))
    return { experiments, told: problems.map(problem => renderProblem(problem).replaceAll(`${folder}/`, '')) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('a file\'s documents are put into the experiment, those alone that gates are made of, and parsing that again gives the same gates', async () => {
  const other = rates.slice(rates.indexOf('apiVersion: openslo/v1\nkind: SLO\n')).split('---')[0]?.replace('checkout-availability', 'another') ?? ''
  const { experiments, told } = await inFolder({ 'slo.yaml': `${rates}---\n${other}` }, experiment('[{file: slo.yaml}]'))
  assert.deepEqual(told, [])
  const [written] = experiments
  assert.ok(written)
  const { slos } = written.document as { slos: { file: string; documents: { kind: string; metadata: { name: string } }[] }[] }
  assert.deepEqual(slos.map(({ file, documents }) => [file, ...documents.map(({ kind, metadata: { name } }) => `${kind} ${name}`)]), [['slo.yaml', 'DataSource metrics', 'SLI checkout-errors', 'SLO checkout-availability']])
  const again = parseExperiments(JSON.stringify(written.document), 'sent.json')
  assert.deepEqual(again.problems, [])
  assert.deepEqual(again.experiments[0]?.document, written.document)
  const promql = (of: typeof experiments) => of[0]?.experiment.gates.map(({ rule, windowMs }) => rule.query({ run: 'r', windowMs }))
  assert.deepEqual(promql(again.experiments), promql(experiments))
})

test('how to reach a data source is never sent: left out of what comes from a file, refused in an experiment', async () => {
  const { experiments: [written] } = await inFolder({ 'slo.yaml': rates }, experiment('[{file: slo.yaml}]'))
  assert.match(rates, /token: secret/)
  assert.doesNotMatch(JSON.stringify(written?.document ?? assert.fail('it is one')), /secret|metrics\.example/)
  const inline = experiment(JSON.stringify([{ documents: parseAllDocuments(rates).map(document => document.toJS() as unknown) }]))
  assert.deepEqual(parseExperiments(inline, 'x.yaml').problems.map(({ path, expected }) => [path, expected]), [
    ['slos[0].documents[1].spec.connectionDetails', 'no such key in an experiment, which is kept as it is written; faultline has its own settings for Prometheus'],
  ])
})

test('a change to an SLO that a gate is made of makes another experiment; one to another SLO of the file does not', async () => {
  const identity = async (text: string) => {
    const { experiments: [written], told } = await inFolder({ 'slo.yaml': text }, experiment('[{file: slo.yaml}]'))
    return experimentIdentity(written?.document ?? assert.fail(told.join('\n')))
  }
  const more = '---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {name: more}\nspec: {indicatorRef: checkout-errors, budgetingMethod: Occurrences, objectives: [{target: 0.9}]}\n'
  assert.equal(await identity(rates), await identity(rates + more))
  assert.notEqual(await identity(rates), await identity(rates.replace('99.9', '99')))
})

test('SLI and DataSource may stand in other files, and in the experiment', async () => {
  const [service = '', source = '', sli = '', ...rest] = rates.split('---\n')
  const { experiments, told } = await inFolder({ 'slis.yaml': sli, 'slos.yaml': [service, ...rest].join('---\n') },
    experiment(`\n  - file: slis.yaml\n  - file: slos.yaml\n  - documents: ${JSON.stringify(parseAllDocuments(source).map(document => document.toJS() as unknown)).replace(/,"connectionDetails":\{[^}]*\}/, '')}`))
  assert.deepEqual(told, [])
  assert.equal(experiments[0]?.experiment.gates[0]?.rule.description, 'at most 0.1 % bad of checkout-availability')
})

test('what is wrong in a file is told with its place there; an SLO that no gate names is nobody\'s trouble', async () => {
  const datadog = rates.replace('type: prometheus', 'type: Datadog')
  assert.deepEqual((await inFolder({ 'slo.yaml': datadog }, experiment('[{file: slo.yaml}]'))).told, [
    'slo.yaml:22:26 spec.ratioMetric.bad.metricSource.metricSourceRef: expected a DataSource of type Prometheus; this one is Datadog, found "metrics"',
    'slo.yaml:29:26 spec.ratioMetric.total.metricSource.metricSourceRef: expected a DataSource of type Prometheus; this one is Datadog, found "metrics"',
  ])
  assert.deepEqual((await inFolder({ 'slo.yaml': datadog }, experiment('[{file: slo.yaml}]', '[{name: a, promql: {query: up, min: 1}}]'))).told, [])
  assert.deepEqual((await inFolder({ 'slo.yaml': rates.replace('budgetingMethod', 'budgetMethod') }, experiment('[{file: slo.yaml}]'))).told.map(line => line.replace(/one of the keys .*?, found/, 'one of the keys, found')), [
    'slo.yaml:36:3 spec.budgetingMethod: expected one of "Occurrences", "Timeslices", "RatioTimeslices", found nothing',
    'slo.yaml:39:3 spec.budgetMethod: expected one of the keys, found "budgetMethod"; did you mean "budgetingMethod"?',
  ])
  assert.deepEqual((await inFolder({ 'slo.yaml': rates }, experiment('[{file: slo.yaml}]', '[{name: a, slo: {name: checkout}}]'))).told, [
    'experiment.yaml:6:31 gates[0].slo.name: expected the name of an SLO under slos: checkout-availability, found "checkout"',
  ])
  assert.deepEqual((await inFolder({ 'slo.yaml': rates }, experiment('[{file: slo.yaml}]', '[{name: a, slo: {name: checkout-availability}}]'))).told, [
    'experiment.yaml:6:31 gates[0].slo.name: expected the displayName of one objective: Promise, Hope, found "checkout-availability"',
  ])
  assert.match((await inFolder({}, experiment('[{file: nowhere.yaml}]'))).told.join('\n'), /^nowhere\.yaml:1:1: expected a file that can be read, found no such file$/)
})

test('where no command reads it, an experiment may name no file', () => {
  assert.deepEqual(parseExperiments(experiment('[{file: slo.yaml}]', '[{name: a, promql: {query: up, min: 1}}]'), 'x.yaml').problems.map(renderProblem), [
    'x.yaml:5:8 slos[0]: expected documents; files are read by the commands of faultline, from the disk of whoever gives the command',
  ])
})

test('faultline slo shows each objective as the gates that it becomes, which an experiment then takes as they are shown', async () => {
  const files = readdirSync(new URL('valid/', corpus)).map(name => fileURLToPath(new URL(`valid/${name}`, corpus)))
  const { exitCode, output } = await sloCommand(files, { json: true })
  assert.equal(exitCode, 0)
  const { slos, problems } = JSON.parse(output) as { slos: { name: string; gates: { gate: { name: string }; rule: string; promql: string }[] }[]; problems: unknown[] }
  assert.deepEqual(problems, [])
  assert.deepEqual(slos.map(({ name, gates }) => [name, gates.length]), [
    ['web-availability', 2], ['replicas', 2], ['recorded-success', 2], ['reckoned-failure', 2], ['checkout-availability', 4], ['sloth', 2], ['grafana', 2],
    ['p99', 2], ['queue', 2], ['workers', 2], ['balance', 2],
  ])
  assert.deepEqual(slos.flatMap(({ name, gates }) => ['queue', 'workers'].includes(name) ? gates.map(({ rule }) => rule) : []), [
    'at most 100 for queue', 'at most 14.4x the budget of queue (1 % bad slices of 5m), over 30m and 5m at once',
    'at least 3 for workers', 'at most 14.4x the budget of workers (1 % of the values, one each 5s, not at least 3), over 1m and 10s at once',
  ])
  const shown = slos.flatMap(({ gates }) => gates)
  const text = stringify({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'all' }, faults: [], hold: '1h', gates: shown.map(({ gate }) => gate),
    slos: [{ documents: files.flatMap(file => parseSloFile(readFileSync(file, 'utf8'), file).documents.map(({ plain }) => plain)).filter(plain => (plain as { kind: string }).kind !== 'DataSource') },
      { documents: [{ apiVersion: 'openslo/v1', kind: 'DataSource', metadata: { name: 'metrics' }, spec: { type: 'Prometheus' } }] }],
  })
  const { experiments, problems: refused } = parseExperiments(text, 'x.yaml')
  assert.deepEqual(refused.map(renderProblem), [])
  assert.deepEqual(experiments[0]?.experiment.gates.map(({ rule, windowMs }) => [rule.description, rule.query({ run: '<run>', windowMs })]), shown.map(({ rule, promql }) => [rule, promql]))
})

test('faultline slo tells what cannot be a gate, and ends with 3 when nothing can', async () => {
  const path = (name: string) => fileURLToPath(new URL(name, corpus))
  const [datadog, sound, broken] = [path('invalid/source-datadog.yaml'), path('valid/gauges.yaml'), path('invalid/version-alpha.yaml')]
  const refused = await sloCommand([datadog], { json: false })
  assert.equal(refused.exitCode, 3)
  assert.match(refused.output, /source-datadog\.yaml:1 x\n {2}cannot be a gate\n {2}.*metricSource\.type: expected Prometheus; no other source of metrics is read, found "Datadog"\n$/)
  assert.equal((await sloCommand([datadog, sound], { json: false })).exitCode, 0)
  assert.equal((await sloCommand([sound, broken], { json: false })).exitCode, 3)
  const { output } = await sloCommand([path('valid/rates.yaml')], { json: false })
  assert.match(output, / {2}- \{name: checkout-availability-1, slo: \{name: checkout-availability, objective: Promise\}\}\n {6}at most 0\.1 % bad of checkout-availability\n/)
  assert.match(output, /passed over, since they say nothing of how a service is measured: Service checkout, AlertCondition fast-burn/)
})
