import assert from 'node:assert/strict'
import { test } from 'node:test'
import { experimentSchema } from '#shared/experiment.ts'
import { parseScrapeTarget, scrapeWarnings } from '../../services/cli/scrape-target.ts'

test('a target is HOST:PORT, or a URL with a path of its own, with or without its scheme\'s port', () => {
  assert.deepEqual(parseScrapeTarget('127.0.0.1:9100', 0), { job: 'target-1', address: '127.0.0.1:9100' })
  assert.deepEqual(parseScrapeTarget('http://127.0.0.1:9100', 1), { job: 'target-2', address: '127.0.0.1:9100' })
  assert.deepEqual(parseScrapeTarget('127.0.0.1:9100/stats/prometheus', 0), { job: 'target-1', address: '127.0.0.1:9100', path: '/stats/prometheus' })
  assert.deepEqual(parseScrapeTarget('https://shop.example.com/metrics', 0), { job: 'target-1', address: 'shop.example.com:443', path: '/metrics', scheme: 'https' })
  assert.deepEqual(parseScrapeTarget('[::1]:9100', 0), { job: 'target-1', address: '[::1]:9100' })
})

test('a port that is the scheme\'s own is a port', () => {
  for (const address of ['127.0.0.1:80', 'shop.example.com:80', '[::1]:80']) assert.deepEqual(parseScrapeTarget(address, 0), { job: 'target-1', address })
  assert.deepEqual(parseScrapeTarget('shop:80/stats', 0), { job: 'target-1', address: 'shop:80', path: '/stats' })
})

test('what is no such address is refused with what was expected', () => {
  for (const text of ['', '9100', 'localhost', 'localhost:', ':9100', '127.0.0.1:99999', 'ftp://127.0.0.1:21', 'user:secret@127.0.0.1:9100', '127.0.0.1:9100/metrics?x=1', 'a b:1']) {
    assert.throws(() => parseScrapeTarget(text, 0), { code: 'bad_scrape_target', exitCode: 3, message: /expected where the service shows its metrics: HOST:PORT/ }, text)
  }
})

test('a login is refused, be it a password alone, and is not told', () => {
  for (const text of ['http://user:secret@127.0.0.1:9100', 'http://:secret@127.0.0.1:9100', 'user:secret@127.0.0.1:9100']) {
    assert.throws(() => parseScrapeTarget(text, 0), { code: 'bad_scrape_target', message: /^--scrape (?!.*secret).*127\.0\.0\.1:9100: expected/ }, text)
  }
})

const experiment = (gates: unknown[]) => experimentSchema.parse({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'quiet' }, load: { users: 1, host: 'http://127.0.0.1:8000' }, faults: [], hold: '10s', gates,
})
const ofTheLoad = { name: 'load', errorRate: { max: '1%' }, source: 'prometheus' }
const ofTheService = { name: 'own', promql: { query: 'sum(shop_errors)', max: 1 } }

test('gates on the service\'s metrics are named where nothing is scraped, and no other is', () => {
  const [told, ...others] = scrapeWarnings([experiment([ofTheLoad, ofTheService]), experiment([ofTheService])], { scraped: 0, failed: [] })
  assert.match(told ?? '', /^warning: nothing of the service is scraped, and Prometheus is asked by own: .*--scrape HOST:PORT.*--prometheus URL$/)
  assert.deepEqual(others, [])
  assert.deepEqual(scrapeWarnings([experiment([ofTheLoad])], { scraped: 0, failed: [] }), [])
  assert.deepEqual(scrapeWarnings([experiment([ofTheService])], { scraped: 1, failed: [] }), [])
})

test('a target that could not be scraped is told with its address and Prometheus\'s reason', () => {
  assert.deepEqual(scrapeWarnings([experiment([ofTheLoad])], { scraped: 1, failed: [{ url: 'http://127.0.0.1:9/metrics', why: 'connection refused' }] }),
    ['warning: http://127.0.0.1:9/metrics could not be scraped (connection refused): gates on its metrics have no data'])
})
