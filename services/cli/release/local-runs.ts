import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '#shared/errors.ts'
import { releaseRunsOf, type ReleaseRun } from '#shared/release-run.ts'
import { NoResults, replayFacts } from '../replay.ts'
import { verifyResults } from '../verify/verify-command.ts'

/** `unreadable`: folders of runs of which nobody can tell what they were, in words. */
export interface LocalRuns { runs: ReleaseRun[]; unreadable: string[] }

/**
 * The runs whose results folders are in this one, in the order of their submission. What a folder says is believed only when its log gives the
 * verdict again, byte for byte; where keys are trusted, only when one of them has signed its record. Throws NoResults for a folder that cannot be listed.
 */
export async function readLocalRuns(results: string, keys: readonly string[] = []): Promise<LocalRuns> {
  const found: { run: ReleaseRun; submittedAtMs: number }[] = []
  const unreadable: string[] = []
  for (const folder of await foldersOfRuns(results)) {
    try {
      found.push(await readRun(folder, keys))
    } catch (error) {
      if (!(error instanceof NoResults)) throw error
      unreadable.push(`${error.message}; what is no evidence does not belong in ${results}`)
    }
  }
  return { runs: found.toSorted((a, b) => a.submittedAtMs - b.submittedAtMs).map(({ run }) => run), unreadable }
}

async function foldersOfRuns(results: string): Promise<string[]> {
  const entries = await readdir(results).catch((cause: unknown) => {
    throw new NoResults(`${results} cannot be read: ${messageOf(cause)}; name the folder that the results folders are in with --results`, { cause })
  })
  const folders = entries.map(entry => join(results, entry))
  const holdLogs = await Promise.all(folders.map(folder => access(join(folder, 'events.jsonl')).then(() => true, () => false)))
  return folders.filter((_folder, index) => holdLogs[index])
}

async function readRun(folder: string, keys: readonly string[]): Promise<{ run: ReleaseRun; submittedAtMs: number }> {
  const { facts, judgement, identical, problems } = await replayFacts(folder)
  const inOrder = facts.toSorted((a, b) => a.stream - b.stream)
  const [run] = releaseRunsOf(inOrder)
  const submitted = inOrder.find(({ kind }) => kind === 'run.submitted')
  if (!run || !submitted) throw new NoResults(`${folder}: its log does not say what was submitted`)
  const { verdict, reasons, revertUnconfirmed } = judgement
  const contradiction = run.verdict !== null && run.verdict !== verdict ? `it was judged ${run.verdict}, and its log in ${folder} gives ${verdict}` : undefined
  const doubt = !identical ? `the log in ${folder} does not give its verdict.json` : problems[0] ?? contradiction ?? await unverified(folder, keys)
  // a run that was never judged has no verdict, whatever its log would give: its evaluator may have known more
  return { submittedAtMs: Date.parse(submitted.fact.time), run: { ...run, doubt, ...(run.verdict !== null && { verdict, reasons, revertUnconfirmed }) } }
}

/** Why the record is not one that a trusted key has signed; null when it is, or when none is asked for. */
async function unverified(folder: string, keys: readonly string[]): Promise<string | null> {
  if (keys.length === 0) return null
  const { result, checks } = await verifyResults(folder, keys)
  if (result === 'verified') return null
  return `its record in ${folder} does not verify: ${checks.flatMap(({ is, says }) => is === 'good' ? [] : says)[0] ?? result}; run it again`
}
