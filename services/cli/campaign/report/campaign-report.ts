import type { Findings } from '../findings.ts'
import type { CampaignOutcome } from '../outcome.ts'

/** All that the reports of a campaign say. */
export interface CampaignReport {
  outcome: CampaignOutcome
  findings: Findings
  /** What the campaign is to find out, in its author's words. */
  description: string | undefined
}

export const printSpan = (fromMs: number | null, toMs: number | null): string => {
  if (fromMs === null || toMs === null) return '–'
  const seconds = Math.round((toMs - fromMs) / 1_000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
