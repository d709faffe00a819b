import { writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { coverageOf } from '#shared/coverage.ts'
import { InvalidInput, messageOf } from '#shared/errors.ts'
import { duration } from '#shared/units.ts'
import { ApiClient } from './api-client.ts'
import { printCoverageHtml } from './coverage-report/coverage-html.ts'
import { printCoverageMarkdown } from './coverage-report/coverage-markdown.ts'
import { renderCoverage } from './coverage-report/coverage-text.ts'
import type { CoverageReport } from './coverage-report/coverage-words.ts'
import { foldResults } from './coverage-report/results-coverage.ts'

/** As given on the command line. */
export interface CoverageCommandOptions { results: string[]; staleAfter: string; html?: string; markdown?: string; json?: boolean }

class CoverageOptionInvalid extends InvalidInput {
  readonly code = 'coverage_option_invalid'
}

export interface CoverageTerminal {
  /** Columns of the terminal. */
  width: number
  colour: boolean
  /** The scheduler of a cluster is asked, in place of results folders. `name`: its context. */
  cluster?: { name: string; apiUrl: string; token: string }
}

const yearMs = 366 * 24 * 3_600_000
const staleAfterSchema = duration({ minMs: 1_000, maxMs: yearMs })

/**
 * `faultline coverage`: the matrix as text or JSON; pages are written beside it. Lines of a log that cannot be read are told on standard error.
 * Throws CoverageOptionInvalid, NoResults, and what ApiClient throws.
 */
export async function coverageCommand({ results, staleAfter, html, markdown, json = false }: CoverageCommandOptions, { width, colour, cluster }: CoverageTerminal): Promise<string> {
  const parsed = staleAfterSchema.safeParse(staleAfter)
  if (!parsed.success) throw new CoverageOptionInvalid(`--stale-after ${staleAfter}: expected ${z.core.prettifyError(parsed.error).replace(/^✖ /, '')}`)
  const report = cluster ? await fromCluster(cluster, staleAfter) : await fromResults(results, parsed.data)
  if (html !== undefined) await write('--html', html, printCoverageHtml(report))
  if (markdown !== undefined) await write('--markdown', markdown, printCoverageMarkdown(report))
  return json ? `${JSON.stringify(report.coverage, null, 2)}\n` : renderCoverage(report, { width, colour })
}

async function fromCluster(cluster: NonNullable<CoverageTerminal['cluster']>, staleAfter: string): Promise<CoverageReport> {
  const coverage = await new ApiClient(cluster).coverage(staleAfter)
  return { coverage, nowMs: Date.now(), source: `the cluster of the context ${cluster.name}` }
}

async function fromResults(folders: readonly string[], staleAfterMs: number): Promise<CoverageReport> {
  const { state, runs, problems } = await foldResults(folders)
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  const nowMs = Date.now()
  const coverage = coverageOf(state, { nowMs, staleAfterMs, unknown: 'no cluster was asked, and what is there is as the runs found it' })
  return { coverage, nowMs, source: `${runs} ${runs === 1 ? 'run' : 'runs'} in ${folders.join(', ')}` }
}

async function write(option: string, file: string, content: string): Promise<void> {
  await writeFile(file, content).catch((cause: unknown) => {
    throw new CoverageOptionInvalid(`${option} ${file} cannot be written: ${messageOf(cause)}`, { cause })
  })
}
