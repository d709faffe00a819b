import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { promqlProblem } from '#shared/promql.ts'
import { inCheckout, sources } from '../../services/cli/generate.ts'
import { registeredMetrics } from '../../services/cli/metrics-catalogue.ts'
import { dashboards } from '../../grafana/source/dashboards.ts'
import { committedDashboards, filledIn, metricsIn, metricsNotHere, queriesOf } from '../parts/dashboard-queries.ts'

const registered = registeredMetrics(sources())
const known = new Set([...registered.map(({ name }) => name), ...Object.values(metricsNotHere).flat()])
/** prom-client's own (collectDefaultMetrics). */
const isOfTheProcess = (metric: string) => /^(process|nodejs)_/.test(metric)

const ruleSchema = z.object({
  alert: z.string(), expr: z.string(), labels: z.object({ severity: z.enum(['critical', 'warning', 'info']) }), annotations: z.object({ summary: z.string(), description: z.string() }),
})
const rulesSchema = z.object({ groups: z.array(z.object({ rules: z.array(ruleSchema) })) })
const rules = rulesSchema.parse(parse(readFileSync(inCheckout('grafana/alerts/faultline.rules.yaml'), 'utf8'))).groups.flatMap(group => group.rules)

test('each source has its file, and each dashboard an address of its own', () => {
  const committed = committedDashboards()
  assert.deepEqual(committed.map(({ file }) => file), Object.keys(dashboards()).map(name => `${name}.json`).sort())
  assert.equal(new Set(committed.map(({ uid }) => uid)).size, committed.length)
  for (const { uid } of committed) assert.match(uid, /^faultline-[a-z]+$/)
})

for (const dashboard of committedDashboards()) {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row')

  test(`${dashboard.file}: every panel says what it shows, and in which unit, and asks the Prometheus that was picked`, () => {
    for (const { title, description = '', fieldConfig, targets = [] } of panels) {
      assert.match(description, /^[A-Z].*\.$/, title)
      assert.ok(fieldConfig?.defaults.unit, title)
      assert.ok(targets.length > 0, title)
      for (const { datasource } of targets) assert.deepEqual(datasource, { type: 'prometheus', uid: '${datasource}' }, title)
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title)
    }
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length)
  })

  test(`${dashboard.file}: no panel lies over another or beyond the edge`, () => {
    const taken = new Map<string, string>()
    for (const { title, gridPos: { x, y, w, h } } of dashboard.panels) {
      assert.ok(x + w <= 24, title)
      for (let column = x; column < x + w; column++) {
        for (let row = y; row < y + h; row++) {
          assert.equal(taken.get(`${column},${row}`), undefined, title)
          taken.set(`${column},${row}`, title)
        }
      }
    }
  })

  test(`${dashboard.file}: every query is PromQL, on metrics that the code registers`, () => {
    for (const { asks, expr } of queriesOf(dashboard)) {
      const filled = filledIn(expr, { run: 'r', rangeSeconds: 60 })
      assert.equal(promqlProblem(filled), undefined, `${asks}: ${filled}`)
      for (const metric of metricsIn(filled)) assert.ok(known.has(metric) || isOfTheProcess(metric), `${asks}: nothing registers ${metric}`)
    }
  })

  test(`${dashboard.file}: faults and verdicts are annotations`, () => {
    assert.deepEqual(dashboard.annotations.list.map(({ name, useValueForTime }) => [name, useValueForTime]), [['Faults', false], ['Instant faults', true], ['Verdicts', true]])
    for (const { name, expr, target } of dashboard.annotations.list) assert.equal(expr, target.expr, name)
  })
}

test('every alert is PromQL on metrics that the code registers, and says what is wrong and what to do', () => {
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const { alert, expr, annotations } of rules) {
    assert.match(alert, /^Faultline[A-Z]/)
    assert.equal(promqlProblem(expr), undefined, alert)
    for (const metric of metricsIn(expr)) assert.ok(known.has(metric), `${alert}: nothing registers ${metric}`)
    assert.match(annotations.description, /\.$/, alert)
  }
})

test('what is told to be not here is not registered here', () => {
  const here = new Set(registered.filter(({ service }) => service !== 'restorer').map(({ name }) => name))
  assert.deepEqual(Object.values(metricsNotHere).flat().filter(name => here.has(name)), [])
})

test('each metric is registered once in its service, and named as Prometheus wants it', () => {
  const names = registered.map(({ service, name }) => `${service} ${name}`)
  assert.deepEqual(names.filter((name, index) => names.indexOf(name) !== index), [])
  for (const { name, type, help } of registered) {
    assert.match(name, /^faultline_[a-z_]+$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.match(help, /^[A-Z0-9]/, name)
  }
})

test('a registration that the catalogue cannot read is an error, not a gap', () => {
  const file = (text: string) => new Map([['services/scheduler/x.ts', text]])
  assert.deepEqual(registeredMetrics(file("new Gauge({ name: 'faultline_x', help: 'It\\'s x', labelNames: ['a', 'b'], registers })")), [
    { service: 'scheduler', name: 'faultline_x', type: 'gauge', labels: ['a', 'b'], help: "It's x" },
  ])
  assert.throws(() => registeredMetrics(file('new Counter({ help: \'x\', name: \'faultline_x\' })')), /registers 1 metrics, of which 0 can be read/)
  assert.throws(() => registeredMetrics(file('new Counter({ name: someName, help: \'x\' })')), /names a metric someName/)
})
