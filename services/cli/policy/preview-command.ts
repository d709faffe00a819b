import { DateTime } from 'luxon'
import { InvalidInput } from '#shared/errors.ts'
import { renderProblem } from '#shared/experiment-problem.ts'
import { readPolicyFile } from '#shared/policy-file.ts'
import type { Policy } from '#shared/policy.ts'
import { mostTicks, previewPolicy } from './preview.ts'
import { renderPreview } from './render-preview.ts'

export interface PreviewOptions { days: string; from?: string; json?: boolean }

class PreviewOptionInvalid extends InvalidInput {
  readonly code = 'preview_option_invalid'
}

/**
 * `faultline policy preview FILE`: what each policy of the file would do. Reads the file; asks nobody and changes nothing. 0, or 3 when the file is invalid.
 * With `json`, `output` is {valid, policies: [PolicyPreview], problems: [Problem]}. Throws PreviewOptionInvalid.
 */
export async function previewCommand(file: string, { days: given, from, json = false }: PreviewOptions, nowMs: number): Promise<{ exitCode: 0 | 3; output: string }> {
  const days = Number(given)
  if (!Number.isInteger(days) || days < 1 || days > 366) throw new PreviewOptionInvalid(`--days: expected a whole number from 1 to 366, found ${JSON.stringify(given)}`)
  const { policies, problems } = await readPolicyFile(file)
  const previews = policies.map(({ policy }) => previewPolicy(bounded(policy, days), startOf(policy, from, nowMs), days))
  const exitCode = problems.length === 0 ? 0 : 3
  if (json) return { exitCode, output: `${JSON.stringify({ valid: exitCode === 0, policies: previews, problems }, null, 2)}\n` }
  return { exitCode, output: exitCode === 0 ? previews.map(renderPreview).join('\n') : problems.map(problem => `${renderProblem(problem)}\n`).join('') }
}

function startOf({ calendar: { timeZone } }: Policy, from: string | undefined, nowMs: number): number {
  if (from === undefined) return nowMs
  const start = DateTime.fromISO(from, { zone: timeZone })
  if (!start.isValid) throw new PreviewOptionInvalid(`--from: expected a date such as 2026-12-24 or 2026-12-24T08:00, of ${timeZone}, found ${JSON.stringify(from)}`)
  return start.toMillis()
}

function bounded(policy: Policy, days: number): Policy {
  const ticks = policy.timing.by === 'rate' ? policy.timing.perMs * days * 86_400_000 : days * 1_440
  if (ticks > mostTicks) throw new PreviewOptionInvalid(`--days: ${policy.name} may have ${Math.round(ticks).toLocaleString('en')} runs in ${days} days; fewer days can be shown`)
  return policy
}
