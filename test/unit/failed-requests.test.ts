import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge } from '#shared/verdict.ts'
import { failedRequests, mostFailedShown, printFailedRequests } from '../../services/cli/report/failed-requests.ts'
import { printReportHtml } from '../../services/cli/report/report-html.ts'
import { printReportJson } from '../../services/cli/report/report-json.ts'
import { printReportMarkdown } from '../../services/cli/report/report-markdown.ts'
import { reportOf } from '../../services/cli/report/run-report.ts'
import { LogBuilder, logOf, t0 } from '../parts/verdict-log-builder.ts'

/** As Locust's `/stats/requests` has them. */
const row = (name: string, error: string, occurrences: number) => ({ method: 'GET', name, error, occurrences, first_seen: 1, last_seen: 2 })
const ended = (errors: unknown) => new LogBuilder().add('load.stats', { stats: { state: 'stopped', errors }, atMs: t0 }).facts

const refused = row('/', 'ConnectionRefusedError(111, \'Connection refused\')', 190)
const broken = row('/cart', 'BadStatusCode(\'http://127.0.0.1:8000/cart\', code=500)', 7)

test('what failed is told the most frequent first, and a row that is none is passed over', () => {
  assert.deepEqual(failedRequests(ended([broken, { name: 'odd' }, null, refused])), [
    { request: 'GET /', error: refused.error, count: 190 }, { request: 'GET /cart', error: broken.error, count: 7 },
  ])
})

test('the last statistics of several count, and a run without any, or with others than Locust\'s, tells of none', () => {
  assert.deepEqual(failedRequests([...ended([broken]), ...ended([refused])]).map(({ count }) => count), [190])
  for (const facts of [logOf(), ended('none'), ended([])]) {
    assert.deepEqual(failedRequests(facts), [])
    assert.equal(printFailedRequests(facts), '')
  }
})

test('a terminal is told three kinds on a line each, how many more there are, and nothing that it would obey', () => {
  const many = ['/a', '/b', '/c', '/d', '/e'].map((name, index) => row(name, 'gone\n\u001b[2J', 9 - index))
  const told = printFailedRequests(ended(many)).split('\n')
  assert.equal(told.length, 5)
  assert.match(told[0] ?? '', /^failed requests: 9 x GET \/a: gone \S/)
  assert.equal(told[3], 'failed requests: 2 more kinds, in the report')
  assert.ok(!told.join('').includes('\u001b'))
})

test('each report names what failed, with nothing in it that the report would act on', () => {
  const facts = [...logOf(), ...ended([refused, row('/<b>|', '*loud*', 3)])]
  const report = reportOf(facts, judge(facts))
  const [html, markdown] = [printReportHtml(report), printReportMarkdown(report)]
  assert.match(html, /<td>GET \/<\/td><td>ConnectionRefusedError\(111, &#39;Connection refused&#39;\)<\/td><td>190<\/td>/)
  assert.ok(!html.includes('<b>|'))
  assert.ok(markdown.includes('| GET / | ConnectionRefusedError(111, \'Connection refused\') | 190 |'))
  assert.ok(markdown.includes('| GET /\\<b\\>\\| | \\*loud\\* | 3 |'))
  assert.deepEqual((JSON.parse(printReportJson(report)) as { failedRequests: unknown }).failedRequests, report.failedRequests)
})

test('a report shows the commonest alone of a service that fails in ever new words', () => {
  const facts = [...logOf(), ...ended(Array.from({ length: 500 }, (_, index) => row('/', `error ${index}`, 1_000 - index)))]
  const report = reportOf(facts, judge(facts))
  for (const text of [printReportHtml(report), printReportMarkdown(report)]) {
    assert.ok(text.includes(`error ${mostFailedShown - 1}`))
    assert.ok(!text.includes(`error ${mostFailedShown}`))
  }
})
