import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { gateKinds } from '#shared/gate-kinds.ts'
import { neededLabels, thereMatchers } from '#shared/promql-labels.ts'
import { promqlProblem } from '#shared/promql.ts'

test('a label is needed when a series without it would not be named', () => {
  const needed = (matchers: string) => neededLabels(`requests_total{${matchers}}`)
  for (const matcher of ['code="500"', 'code=~"5.."', "code=~'5..|4..'", 'code=~`5\\d\\d`', 'code=~"5\\\\d\\\\d"', '"code"="500"', 'code = "500" # the worst\n,', 'code=~".+x"']) assert.deepEqual(needed(matcher), ['code'], matcher)
  for (const matcher of ['', 'code=""', 'code!="200"', 'code!~"2.."', 'code=~".*"', 'code=~"|5.."', 'code=~"(?i)x|"', '__name__=~"a|b"']) assert.deepEqual(needed(matcher), [], matcher)
  assert.deepEqual(needed('zone="a",code=~"5..",pod!=""'), ['zone', 'code'])
  assert.deepEqual(neededLabels('sum(rate(a_total{x="1"}[5m])) / sum(rate(b_total{y="1",x="2"}[5m]))'), ['x', 'y'])
})

test('a label that is only asked to be there is not: it may be on what is bad alone', () => {
  for (const matcher of ['error_type!=""', 'error_type=~".+"']) assert.deepEqual(neededLabels(`requests_total{${matcher}}`), [], matcher)
})

test('matchers ask for a label whatever its value, and parse whatever its name', () => {
  assert.deepEqual(thereMatchers(['code', 'http.status']), ['code!=""', '"http.status"!=""'])
  assert.deepEqual(neededLabels('a{"http.status"="500"}'), ['http.status'])
  assert.equal(promqlProblem(`a{${thereMatchers(['code', 'http.status', 'a"b\\']).join(',')}}`), undefined)
})

test('no text makes it throw', () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string().map(text => `a{b=~${JSON.stringify(text)}}`)), text => {
    neededLabels(text)
  }))
})

test('no bad series is none bad only while what is counted has the labels by which the bad ones are named', () => {
  const query = (total: string, bad: string) => gateKinds.get('errorRate')?.bound.parse({ max: 0.1, total, bad }).query({ run: 'r', windowMs: 5_000 }) ?? ''
  const ofNone = (total: string, bad: string) => /or 0 \* sum\(increase\((.*?)\[5000ms\]\)\)/.exec(query(total, bad))?.[1]
  assert.equal(ofNone('r_total{app="shop"}', 'r_total{app="shop",status=~"5.."}'), 'r_total{app="shop",status!=""}')
  assert.equal(ofNone('r_total{code!~"3..",}', 'r_total{code=~"5.."}'), 'r_total{code!~"3..",code!=""}')
  assert.equal(ofNone('r_total', 'r_total{code=~"5.."}'), 'r_total{code!=""}')
  assert.equal(ofNone('r_total{app="shop"}', 'r_total{app="shop",error_type!=""}'), 'r_total{app="shop"}')
  assert.equal(ofNone('r_total{app="shop"}', 'errors_total{app="shop",kind="db"}'), 'errors_total{app!="",kind!=""}')
  assert.equal(ofNone('r_total', 'errors_total'), 'errors_total')
  for (const [total, bad] of [['r_total{code!~"3..",}', 'r_total{code=~"5.."}'], ['r_total', 'r_total{"http.status"="500"}']] as const) assert.equal(promqlProblem(query(total, bad)), undefined, query(total, bad))
})
