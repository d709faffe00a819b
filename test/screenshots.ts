/**
 * The pictures of the live page in README.md: `node test/screenshots.ts`, two minutes, into docs/images. Real runs on the jewelry shop: its Redis is paused
 * (it passes), then its database (it fails), each seen as it happens.
 */
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { readExperimentFile } from '#shared/experiment-file.ts'
import { ApiClient } from '../services/cli/api-client.ts'
import { withHost } from '../services/cli/load-host.ts'
import { startSession } from '../services/cli/local/session.ts'
import { startShop } from '../services/cli/local/shop.ts'
import { pageAddress } from '../services/cli/page-address.ts'
import { startBrowser, visit } from './parts/browser.ts'

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

async function submit(name: string): Promise<string> {
  const path = fileURLToPath(new URL(`../k8s/experiments/local/${name}.yaml`, import.meta.url))
  const { experiments: [written] } = await readExperimentFile(path)
  if (!written) throw new Error(`${path} is an experiment`)
  return client.submit(withHost(written.document, host), `k8s/experiments/local/${name}.yaml`)
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

{
  await using tab = await open('light', { width: 1_180, height: 1_420 })
  const { page } = tab
  await page.getByRole('link', { name: await submit('redis-pause') }).click()
  await page.getByRole('row', { name: /1-pause.*active/ }).waitFor({ timeout: 60_000 })
  await page.waitForTimeout(9_000) // for a picture with something in it
  await shoot(page, 'page-run-light')
  await judged(page)
}
{
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
