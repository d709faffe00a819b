import { fileURLToPath } from 'node:url'
import { readExperimentFile } from '#shared/experiment-file.ts'
import type { Judgement, Verdict } from '#shared/verdict.ts'
import { demoSummary, type DemoRun } from './demo-summary.ts'
import { interruptSignal, unlessInterrupted } from './interrupt.ts'
import { withHost } from './load-host.ts'
import { startSession } from './local/session.ts'
import { startShop } from './local/shop.ts'
import { pageAddress } from './page-address.ts'
import { progressFor, runExperiment } from './run.ts'

export interface DemoOptions {
  results: string
  processes?: boolean
  json?: boolean
}

/** What the demo runs, and what each must show: a shop that survives a dead worker, and one that cannot do without its database. */
const acts: readonly { file: string; expected: Verdict }[] = [
  { file: 'worker-kill.yaml', expected: 'passed' },
  { file: 'database-pause.yaml', expected: 'failed' },
]

/** `faultline demo`: 0 when both verdicts are the expected ones, 1 when not, 2 when interrupted. */
export async function demoCommand({ results, processes = false, json = false }: DemoOptions): Promise<0 | 1 | 2> {
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const interrupted = interruptSignal()
  const startedMs = performance.now()
  const onProgress = (doing: string) => { if (!json) say(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  starting ${doing}`) }
  let url = ''
  await using session = await unlessInterrupted(interrupted, startSession({
    services: processes ? 'processes' : 'embedded', onProgress, signal: interrupted,
    subject: async (children, folder, begin) => {
      const shop = await startShop(children, folder, begin)
      url = shop.url
      return shop
    },
  }))
  if (!session) {
    say('interrupted: no run was begun')
    return 2
  }
  if (progressFor(json) === 'live') say(`\nlive page: ${pageAddress(session)}`)
  const runs: DemoRun[] = []
  for (const { file, expected } of acts) {
    if (interrupted.aborted) return 2
    const path = fileURLToPath(new URL(`../../k8s/experiments/local/${file}`, import.meta.url))
    const { experiments: [written] } = await readExperimentFile(path)
    if (!written) throw new Error(`${path} is an experiment`)
    if (!json) say(`\n${written.experiment.name}, expected to be ${expected}: 50 users at ${url}`)
    const { judgement, folder } = await runExperiment({
      address: session, lost: session.lost, document: withHost(written.document, url), file: path, resultsFolder: results,
      progress: progressFor(json), abortSignal: interrupted,
    })
    runs.push({ expected, judgement, folder })
  }
  process.stdout.write(json ? `${JSON.stringify({ asExpected: allAsExpected(runs), runs }, null, 2)}\n` : `\n${demoSummary(runs)}`)
  return interrupted.aborted ? 2 : allAsExpected(runs) ? 0 : 1
}

const allAsExpected = (runs: readonly { expected: Verdict; judgement: Judgement }[]) =>
  runs.every(({ expected, judgement }) => judgement.verdict === expected && !judgement.revertUnconfirmed)
