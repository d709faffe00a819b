import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { promqlProblem } from '#shared/promql.ts'

test('PromQL as people write it parses', () => {
  for (const text of [
    'sum(rate(shop_errors_total[5s]))', 'up', '1', 'vector(0)', 'count(up == 0) or vector(0)', 'histogram_quantile(0.95, sum by (le) (rate(x_bucket{job=~"a|b"}[1m])))',
    'max_over_time(deriv(rate(x[1m])[5m:1m])[1h:])', 'x offset 5m', 'a / on (b) group_left c', '{__name__="x"}', 'x # a comment',
  ]) assert.equal(promqlProblem(text), undefined, text)
})

const characterOf = (text: string) => /character (\d+)/.exec(promqlProblem(text) ?? '')?.[1]

test('text that is not PromQL is refused with the place where it stops being it', () => {
  assert.equal(characterOf('up)'), '3')
  assert.equal(characterOf('sum(rate(x[5s])'), '16')
  assert.match(promqlProblem('') ?? '', /empty/)
  assert.match(promqlProblem('x'.repeat(10_001)) ?? '', /at most/)
  for (const text of ['SELECT * FROM users', '$(reboot)', 'a + * b', 'x{', 'rate(x[5q])', 'up up']) assert.ok(promqlProblem(text), text)
})

test('no text makes the check throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), text => {
    promqlProblem(text)
  }))
})
