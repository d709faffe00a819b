/**
 * `npm run soak`: a policy is left alone on the shop in a cluster, for 30 minutes (FAULTLINE_SOAK_MINUTES), under the load of `faultline gate`. Not part of
 * `npm run test:cluster`, for its length. Pictures of the live page and a table of the runs go to test-results/soak.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { z } from 'zod'
import { coverageSchema } from '#shared/coverage.ts'
import type { StoredFact } from '#shared/events.ts'
import { judge } from '#shared/verdict.ts'
import { ApiClient, type PolicySummary } from '../../../services/cli/api-client.ts'
import { connectScheduler } from '../../../services/cli/cluster/scheduler.ts'
import { deploy } from '../../../services/cli/deploy/deploy.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { parts } from '../../../services/cli/deploy/parts.ts'
import { namespace } from '../../../services/cli/install/secret.ts'
import { startBrowser, visit } from '../../parts/browser.ts'
import { askSince, committedDashboards, filledIn, metricsIn, metricsNotHere, queriesOf } from '../../parts/dashboard-queries.ts'
import { before as beforeEnd, startFaultline, type FaultlineCommand } from '../../parts/faultline-command.ts'
import { forwardPrometheus, inSystem, installed } from '../faultline/installed.ts'
import { takePicture } from '../faultline/picture.ts'
import { until } from '../../parts/until.ts'

const minutes = Number(process.env['FAULTLINE_SOAK_MINUTES'] ?? '30')
const shop = 'jewelry-shop'
const results = new URL('../../../test-results/soak/', import.meta.url).pathname
const owned = new AsyncDisposableStack()
const temporary = mkdtempSync(join(tmpdir(), 'soak-'))
owned.defer(() => rmSync(temporary, { recursive: true, force: true }))
const command = (...args: string[]): FaultlineCommand => owned.use(startFaultline(args, { temporary }))
const completed = async (...args: string[]) => command(...args).ended

const pods = (more: object) => ({ pods: { namespace: shop, ...more } })
const deployment = { owner: { kind: 'Deployment', name: 'shop' } }
const front = { probes: [{ name: 'front', interval: '500ms', http: { endpoint: 'shop', path: '/' } }], recovery: { within: '60s', stable: '2s' } }
const there = { gates: [{ name: 'there', availability: { probe: 'front', min: '80%' } }, { name: 'prober-seen', promql: { query: 'max(up{job="prober"})', min: 1 } }] }
const template = (name: string, weight: number, fault: object, more: object = there) => ({ name, weight, experiment: { faults: [{ at: '2s', ...fault }], ...front, ...more } })

/** Of the load that is there all the time. */
const requests = 'faultline_load_requests_total{run=~"soak-load.*"'
/** Some forty runs in half an hour: one a minute, were it not for what each waits for. */
const policy = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Policy', metadata: { name: 'soak', namespace: shop }, description: 'The shop loses a part about once a minute', scope: { namespaces: [shop] },
  rate: { mean: 80, per: 'hour', seed: 1 }, wait: '15s', prefer: 'coverage',
  budgets: [{ slo: 'requests', remaining: `1 - (sum(increase(${requests}, outcome="failed"}[30m])) or vector(0)) / (0.05 * sum(increase(${requests}}[30m])))`, period: 1, share: '100%', costPerRun: '0.5%', settle: '5s' }],
  templates: [
    template('shop-pod', 3, { kind: 'pod-kill', target: pods(deployment), gracePeriodSeconds: 0 }, { ...there, hold: '10s' }),
    template('shop-paused', 2, { kind: 'pod-pause', target: pods(deployment), duration: '8s' }, { gates: [{ name: 'there', availability: { probe: 'front', min: '20%' } }] }),
    template('shop-busy', 2, { kind: 'cpu-stress', target: pods(deployment), duration: '10s' }),
    template('shop-slow', 2, { kind: 'network-latency', target: pods(deployment), delay: '150ms', duration: '10s' }),
    template('redis-master', 1, { kind: 'pod-kill', target: pods({ role: 'redis-master' }), gracePeriodSeconds: 0 }, { ...there, hold: '20s' }),
  ],
}
const load = {
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'soak-load' },
  load: { users: 10, spawnRate: 10, host: 'http://shop.jewelry-shop', parameters: { think_scale: 1 } }, faults: [], hold: '1m',
  gates: [{ name: 'errors', errorRate: { max: '50%' }, window: '30s', consecutive: 3, noDataAfter: '60s' }],
}

/** What faultline may leave on a node or in the API: rules, queues, journals, stopped processes, records, cordons. */
async function left(): Promise<string[]> {
  const picture = await takePicture([])
  const onNodes = Object.entries(picture).flatMap(([place, what]) => what.flatMap(line => {
    const isFaults = (line.includes('faultline') && /nft|tc$|journals/.test(place)) || (place.endsWith(': tc') && /netem|tbf|htb|prio/.test(line))
      || line.startsWith('stopped ') || (place === 'nodes' && line.includes('cordoned'))
    return isFaults ? [`${place}: ${line}`] : []
  }))
  return [...onNodes, ...(await inSystem('get', 'leases', '--selector', 'faultline.dev/record', '--output', 'name')).split('\n').filter(Boolean)]
}

let [pageUrl, beganMs] = ['', 0]
let before30: string[] = []
let loadEnded: FaultlineCommand | undefined
before(async () => {
  mkdirSync(results, { recursive: true })
  await installed()
  await deploy(parts.shop, {}, () => undefined)
  await deploy(parts.locust, {}, () => undefined)
  before30 = await left()
  const page = command('page', '--cluster')
  const line = Promise.withResolvers<string>()
  let said = ''
  page.child.stdout?.on('data', chunk => { said += String(chunk); if (said.includes('\n')) line.resolve(said.trim()) })
  pageUrl = await beforeEnd(page.ended, line.promise, 'the page had an address')
})
after(async () => {
  await kubectl(['--namespace', shop, 'delete', 'policy', 'soak', '--ignore-not-found'])
  await completed('resume', '--cluster')
  await owned.disposeAsync()
})

async function withScheduler<T>(ask: (client: ApiClient) => Promise<T>): Promise<T> {
  await using scheduler = await connectScheduler({ namespace })
  return await ask(new ApiClient(scheduler)) // the port is forwarded until then
}
const summary = z.looseObject({ run: z.string(), experiment: z.string(), phase: z.string(), submittedAt: z.string(), verdict: z.string().nullable() })
const runsOfPolicy = () => withScheduler(async client => z.array(summary).parse(await client.runs()).filter(({ run, submittedAt }) => run.startsWith('soak-') && !run.startsWith('soak-load') && Date.parse(submittedAt) >= beganMs))
const ours = (): Promise<PolicySummary | undefined> => withScheduler(async client => (await client.policies()).find(({ name }) => /(^|[./])soak/.test(name)))

async function photograph(page: Page, view: string, name: string): Promise<void> {
  await page.goto(`${new URL(pageUrl).origin}/#/${view}`)
  await page.locator('main h1').first().waitFor()
  await page.getByText('Asking the scheduler').waitFor({ state: 'hidden' })
  assert.equal(await page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth'), true, `${name} is no wider than the window`)
  await page.screenshot({ path: join(results, `${name}.png`), fullPage: true })
}

test(`a policy is left alone for ${minutes} minutes, and every run of it is judged`, { timeout: (minutes + 10) * 60_000 }, async t => {
  const file = join(temporary, 'load.yaml')
  writeFileSync(file, JSON.stringify(load))
  loadEnded = command('gate', file, '--cluster', '--for', `${minutes + 3}m`, '--results', join(temporary, 'results'))
  beganMs = Date.now()
  await kubectl(['apply', '--filename', '-'], JSON.stringify(policy))
  await kubectl(['--namespace', shop, 'wait', 'policy/soak', '--for=condition=Accepted', '--timeout=30s'])
  const endsMs = beganMs + minutes * 60_000
  let told = 0
  await until('the time is over', async () => {
    const runs = await runsOfPolicy()
    if (runs.length > told) console.log(`${Math.round((Date.now() - beganMs) / 1_000)} s: ${runs.length} runs, ${runs.filter(({ verdict }) => verdict === 'passed').length} passed`)
    told = runs.length
    const state = await ours()
    assert.notEqual(state?.state, 'paused', `${state?.reason}`)
    return Date.now() >= endsMs
  }, (minutes + 1) * 60_000, { lookMs: 5_000 })
  await using browser = await startBrowserOwned()
  await using tab = await visit(browser.browser)
  await tab.page.goto(pageUrl)
  await tab.page.getByRole('heading', { name: 'Runs' }).waitFor()
  for (const view of ['coverage', 'policies']) await photograph(tab.page, view, view)
  await kubectl(['--namespace', shop, 'delete', 'policy', 'soak'])
  await until('the last run is judged', async () => (await runsOfPolicy()).every(({ verdict }) => verdict !== null), 120_000, { lookMs: 1_000 })
  const runs = await runsOfPolicy()
  const [last] = runs
  await photograph(tab.page, '', 'runs')
  await photograph(tab.page, `runs/${last?.run}`, 'run')
  assert.deepEqual(tab.complaints, [])
  const listed = await tab.page.goto(`${new URL(pageUrl).origin}/#/`).then(async () => { await tab.page.locator('main table').waitFor(); return tab.page.locator('main').innerText() })
  assert.deepEqual(runs.filter(({ run }) => !listed.includes(run)).map(({ run }) => run), [], 'on the page')
  writeFileSync(join(results, 'runs.json'), `${JSON.stringify(runs, null, 2)}\n`)
  t.diagnostic(`${runs.length} runs in ${minutes} minutes: ${JSON.stringify(Object.fromEntries(Object.entries(Object.groupBy(runs, ({ verdict }) => `${verdict}`)).map(([verdict, of]) => [verdict, of?.length])))}`)
  assert.ok(runs.length >= minutes / 3, `${runs.length} runs`)
  assert.deepEqual(runs.filter(({ verdict }) => verdict === null), [])
  for (const { run, verdict } of runs) assert.equal(judge(await factsOf(run)).verdict, verdict, `the record of ${run} gives its verdict`)
})

async function startBrowserOwned() {
  const browser = await startBrowser()
  return { browser, [Symbol.asyncDispose]: () => browser.close() }
}

const factsOf = (run: string): Promise<StoredFact[]> => withScheduler(async client => {
  const facts: StoredFact[] = []
  for await (const stored of client.facts(run, AbortSignal.timeout(30_000))) facts.push(stored)
  return facts
})

test('nothing of it is left on any node, nor in the API', async () => {
  await until('nothing is left', async () => (await left()).filter(line => !before30.includes(line)).length === 0, 60_000, { lookMs: 2_000 })
})

test('the services that it touched are in the coverage, with their last verdict', async () => {
  const { services } = await withScheduler(async client => coverageSchema.parse(await client.coverage()))
  const touched = services.find(({ namespace: of, app }) => of === shop && app === 'shop')
  assert.deepEqual([...new Set(touched?.cells.map(({ kind }) => kind))].toSorted(), ['cpu-stress', 'network-latency', 'pod-kill', 'pod-pause'])
})

/** Of queries that have no answer where nothing went wrong, the panels. */
const ofFailures = /: (?:Breach to |What decided)/

test('the dashboards show all of it', async () => {
  await using prometheus = await forwardPrometheus()
  const ofEachKind = Object.values(Object.groupBy(await runsOfPolicy(), ({ experiment }) => experiment)).flatMap(found => found?.[0]?.run ?? [])
  const [ofLoad] = await withScheduler(async client => z.array(summary).parse(await client.runs()).filter(({ experiment, submittedAt }) => experiment === 'soak-load-gate' && Date.parse(submittedAt) >= beganMs - 5_000).map(({ run }) => run))
  const notHere = Object.entries(metricsNotHere).flatMap(([why, metrics]) => why.includes('in a cluster') ? [] : metrics)
  const silent: string[] = []
  for (const { asks, expr } of committedDashboards().flatMap(queriesOf)) {
    const filled = (run: string) => filledIn(expr, { run, rangeSeconds: Math.ceil((Date.now() - beganMs) / 1_000) })
    if (ofFailures.test(asks) || metricsIn(filled('')).some(metric => notHere.includes(metric))) continue
    let found = 0
    for (const run of new Set([...ofEachKind, ofLoad ?? ''])) found ||= (await askSince(beganMs, prometheus, filled(run))).length
    if (found === 0) silent.push(asks)
  }
  assert.deepEqual(silent, [])
})

test('a release check knows what passed on this very version, and what did not', async () => {
  const version = (await kubectl(['--namespace', shop, 'get', 'deployment', 'shop', '--output', 'jsonpath={.spec.template.metadata.labels.app\\.kubernetes\\.io/version}'])).trim() || 'dev'
  const experiments = [...new Set((await runsOfPolicy()).filter(({ verdict }) => verdict === 'passed').map(({ experiment }) => experiment))]
  const passes = await completed('release-check', '--cluster', '--app', `${shop}/shop`, '--version', version, '--require', experiments.find(name => /shop-pod/.test(name)) ?? '')
  assert.equal(passes.code, 0, passes.out + passes.err)
  const blocks = await completed('release-check', '--cluster', '--app', `${shop}/shop`, '--version', 'other', '--require', experiments[0] ?? '')
  assert.equal(blocks.code, 1, blocks.out + blocks.err)
})

test('halt stops the load that is still running, and what is submitted is refused until resume', async () => {
  const halted = await completed('halt', '--cluster', 'the', 'soak', 'is', 'over')
  assert.deepEqual([halted.code, halted.err], [0, ''])
  const { code, out, err } = await loadEnded?.ended ?? { code: -1, out: '', err: '' }
  assert.equal(code, 2, out + err)
  await withScheduler(async client => assert.rejects(client.submit(load, 'a test'), /halted/))
  const resumed = await completed('resume', '--cluster')
  assert.equal(resumed.code, 0, resumed.err)
})
