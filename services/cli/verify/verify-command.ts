import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '#shared/errors.ts'
import { NoResults } from '../replay.ts'
import { readLoggedFacts } from '../report/event-log.ts'
import { trustedKeys } from './trusted-keys.ts'
import { verifyRecord, type Verification } from './verify-record.ts'
import { printVerification } from './verify-report.ts'

export interface VerifyOptions { publicKey?: string[]; json?: boolean }

const exitCodes: Record<Verification['result'], 0 | 1 | 2> = { verified: 0, refuted: 1, unvouched: 2 }

/** `faultline verify`: 0 verified, 1 refuted, 2 not vouched for. Throws NoResults, KeyInvalid (3). */
export async function verifyCommand(path: string, { publicKey, json = false }: VerifyOptions): Promise<{ exitCode: 0 | 1 | 2; output: string }> {
  const verification = await verifyResults(path, await trustedKeys(publicKey))
  return { exitCode: exitCodes[verification.result], output: json ? `${JSON.stringify(verification, null, 2)}\n` : printVerification(verification) }
}

/** `path`: the results folder of one run, or its facts alone (events.jsonl). Throws NoResults. */
export async function verifyResults(path: string, keys: readonly string[]): Promise<Verification> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false
  const file = isFolder ? join(path, 'events.jsonl') : path
  const { logged, problems } = await readLoggedFacts(createReadStream(file, 'utf8')).catch((cause: unknown) => {
    throw new NoResults(`${file} cannot be read: ${messageOf(cause)}; give the results folder of one run, or its events.jsonl`, { cause })
  })
  if (logged.length === 0) throw new NoResults(`${file} holds no fact${problems.length > 0 ? ` (${problems[0]})` : ''}; give the results folder of one run, or its events.jsonl`)
  const verdictFile = isFolder ? await readFile(join(path, 'verdict.json'), 'utf8').catch(() => '') : undefined
  return verifyRecord({ logged, problems, verdictFile, keys })
}
