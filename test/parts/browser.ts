import { readFileSync } from 'node:fs'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { toolPath } from '#shared/tools.mjs'

/** Debian's Chromium. Its sandbox needs what root and containers do not give. */
export const startBrowser = (): Promise<Browser> => chromium.launch({ executablePath: toolPath('chromium'), args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })

export interface Visit extends AsyncDisposable {
  context: BrowserContext
  page: Page
  /** What the browser has complained about: errors of the page's code, of its requests, of its policy. */
  complaints: string[]
}

/** A tab of its own, with nothing remembered. `ignored`: complaints that are none of the page's. */
export async function visit(browser: Browser, options: BrowserContextOptions = {}, ignored?: RegExp): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(String(error)))
  page.on('console', message => {
    const where = `${message.text()} (${message.location().url})`
    if ((message.type() === 'error' || message.type() === 'warning') && !ignored?.test(where)) complaints.push(where)
  })
  return { context, page, complaints, [Symbol.asyncDispose]: () => context.close() }
}

const axe = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

/** What axe-core finds that is serious or critical, in words. The page must have been opened with `bypassCSP`, which keeps scripts like this one out. */
export async function seriousProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  const found = await page.evaluate(async () => {
    const { axe: run } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; impact: string; help: string; nodes: { html: string; failureSummary: string }[] }[] }> } }
    return (await run.run()).violations
  })
  return found.filter(({ impact }) => impact === 'serious' || impact === 'critical').flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html}\n${failureSummary}`))
}
