/**
 * The pictures of the live page in README.md, into docs/images: `node test/screenshots.ts`, about eight minutes, or `node test/screenshots.ts policies` for those
 * of one part. They are of real runs on the jewelry shop.
 */
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { readExperimentFile } from '#shared/experiment-file.ts'
import type { TestedService } from '#shared/tested-service.ts'
import { toolPath } from '#shared/tools.mjs'
import { ApiClient } from '../services/cli/api-client.ts'
import { withHost } from '../services/cli/load-host.ts'
import { startSession } from '../services/cli/local/session.ts'
import { startShop } from '../services/cli/local/shop.ts'
import { pageAddress } from '../services/cli/page-address.ts'
import { startBrowser, visit } from './parts/browser.ts'
import { until } from './parts/until.ts'

const folder = fileURLToPath(new URL('../docs/images/', import.meta.url))
mkdirSync(folder, { recursive: true })

let host = ''
await using session = await startSession({
  services: 'embedded', onProgress: doing => console.log(doing),
  subject: async (children, sessionFolder, begin) => {
    const shop = await startShop(children, sessionFolder, begin)
    host = shop.url
    return shop
  },
})
const client = new ApiClient(session)
await using browser = await startBrowser()

async function experiment(name: string): Promise<object> {
  const path = fileURLToPath(new URL(`../k8s/experiments/local/${name}.yaml`, import.meta.url))
  const { experiments: [written] } = await readExperimentFile(path)
  if (!written) throw new Error(`${path} is an experiment`)
  return withHost(written.document, host) as object
}

const submit = async (name: string, services?: TestedService[]): Promise<string> => client.submit(await experiment(name), `k8s/experiments/local/${name}.yaml`, services)

/** A run to its verdict. `app`: what it is about, since nobody can find that out of processes. */
async function runTo(name: string, app: string, version: string): Promise<void> {
  const run = await submit(name, [{ namespace: '', app, version }])
  for await (const { kind } of client.facts(run, AbortSignal.timeout(180_000))) if (kind === 'run.judged') console.log(`${run} is judged`)
}

/** As the program says it of itself. */
async function versionOf(tool: string): Promise<string> {
  const { stdout } = await promisify(execFile)(toolPath(tool), ['--version'])
  return /\d+(?:\.\d+)+/.exec(stdout)?.[0] ?? 'unknown'
}

async function open(colorScheme: 'light' | 'dark', viewport: { width: number; height: number }) {
  const tab = await visit(browser, { colorScheme, viewport })
  await tab.page.goto(pageAddress(session))
  await tab.page.getByRole('heading', { name: 'Runs' }).waitFor()
  return tab
}

/** Where the checkout and the temporary folder lie on this machine is left out of the pictures' command lines; until a picture is taken, nothing is drawn anew. */
const hold = `
  window.drawing = requestAnimationFrame
  window.held = []
  window.requestAnimationFrame = draw => held.push(draw)
  document.activeElement.blur()
  for (const line of document.querySelectorAll('code')) line.textContent = line.textContent.replaceAll(/(^|\\s)\\/\\S*\\/(?=\\S)/g, '$1')`
const goOn = 'window.requestAnimationFrame = drawing; held.forEach(draw => draw())'

async function shoot(page: Page, name: string): Promise<void> {
  await page.evaluate(hold)
  await page.screenshot({ path: `${folder}${name}.png`, animations: 'disabled' })
  await page.evaluate(goOn)
  console.log(`${name}.png`)
}

const judged = (page: Page) => page.locator('.banner:not(.aborting) strong').waitFor({ timeout: 120_000 })

const parts: Readonly<Record<string, () => Promise<void>>> = { run: aRunUnderWay, failed: aFailedRunAndTheList, policies: policiesAndCoverage }
for (const part of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts)) {
  if (!parts[part]) throw new Error(`${part}: expected one of ${Object.keys(parts).join(', ')}`)
  await parts[part]()
}

/** The shop's Redis is paused, which it passes. */
async function aRunUnderWay(): Promise<void> {
  await using tab = await open('light', { width: 1_180, height: 1_420 })
  const { page } = tab
  await page.getByRole('link', { name: await submit('redis-pause') }).click()
  await page.getByRole('row', { name: /1-pause.*active/ }).waitFor({ timeout: 60_000 })
  await page.waitForTimeout(9_000) // for a picture with something in it
  await shoot(page, 'page-run-light')
  await judged(page)
}

/** Its database is paused, which it fails. */
async function aFailedRunAndTheList(): Promise<void> {
  await using tab = await open('dark', { width: 1_180, height: 1_420 })
  const { page } = tab
  await page.getByRole('link', { name: await submit('database-pause') }).click()
  await judged(page)
  await shoot(page, 'page-failed-dark')
  await submit('worker-kill')
  await page.setViewportSize({ width: 1_180, height: 420 })
  await page.getByRole('link', { name: 'Runs', exact: true }).click()
  await page.getByRole('row', { name: /worker-kill.*(?:steady|hold)/ }).waitFor({ timeout: 60_000 })
  await shoot(page, 'page-runs-dark')
  await client.abortAll()
}

/** A policy that has begun three runs by itself, paced by an error budget, and then a few a day; then the coverage of the runs that said what they are about. */
async function policiesAndCoverage(): Promise<void> {
  await runTo('worker-kill', 'shop', '1.4') // a budget without any traffic cannot be read
  const policy = {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Policy', metadata: { name: 'low-rate' }, scope: { processes: true }, cooldown: '5s',
    budgets: [{ slo: 'requests', remaining: '1 - sum(increase(faultline_load_requests_total{outcome="failed"}[1h])) / (0.05 * sum(increase(faultline_load_requests_total[1h])))', period: 1, share: '20%', costPerRun: '0.5%', settle: '5s' }],
    templates: await Promise.all(Object.entries({ 'worker-kill': 2, 'database-stall': 1 }).map(async ([name, weight]) => {
      const { apiVersion: _version, kind: _kind, metadata: _metadata, ...keys } = await experiment(name) as Record<string, unknown>
      return { name, weight, experiment: keys }
    })),
  }
  const begun = async () => (await client.policies()).flatMap(({ recent }) => recent.filter(({ run }) => run !== null))
  await client.setPolicy('low-rate', { ...policy, rate: { mean: 60, per: 'hour', seed: 4 } })
  await until('the policy has begun three runs', async () => (await begun()).length >= 3, 300_000, { lookMs: 1_000 })
  await client.setPolicy('low-rate', { ...policy, rate: { mean: 4, per: 'day', seed: 1 } })
  await until('they are over', async () => (await begun()).every(({ outcome }) => outcome !== 'running'), 120_000, { lookMs: 1_000 })
  await using tab = await open('light', { width: 1_180, height: 480 })
  const { page } = tab
  await page.getByRole('link', { name: 'Policies', exact: true }).click()
  await page.getByRole('heading', { name: 'low-rate' }).waitFor()
  await shoot(page, 'page-policies-light')
  await client.removePolicy('low-rate')

  await runTo('redis-pause', 'cache', await versionOf('redis-server'))
  await runTo('database-stall', 'database', await versionOf('postgres'))
  await runTo('database-pause', 'shop', '1.4')
  await page.setViewportSize({ width: 1_180, height: 400 })
  await page.getByRole('link', { name: 'Coverage', exact: true }).click()
  await page.getByRole('row', { name: /database/ }).waitFor()
  await shoot(page, 'page-coverage-light')
}
