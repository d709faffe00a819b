import { mkdirSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { parseDocuments, readTextFile } from '#shared/document-file.ts'
import { InvalidInput } from '#shared/errors.ts'
import { readExperimentFile, renderProblem, type Problem } from '#shared/experiment-file.ts'
import { readKubeConfig } from '../cluster/kube-config.ts'
import { interruptSignal } from '../interrupt.ts'
import { campaignFormat, type Campaign, type ProfiledCampaign } from './campaign.ts'
import { runCampaign, type Standing } from './engine.ts'
import { outcomeOf, type CampaignOutcome } from './outcome.ts'
import { progressTo } from './progress.ts'
import type { CampaignSettings } from './step.ts'
import { writeCampaignReports } from './report/write-campaign-reports.ts'

class ProfileUnknown extends InvalidInput {
  readonly code = 'profile_unknown'
}

export interface CampaignOptions extends CampaignSettings {
  profile?: string
  results: string
  json?: boolean
}

/** A campaign with every experiment file that it names, or every problem of all of them. */
export async function readCampaignFile(path: string): Promise<{ campaigns: Campaign[]; problems: Problem[] }> {
  const read = await readTextFile(path, campaignFormat.article)
  if ('problem' in read) return { campaigns: [], problems: [read.problem] }
  const { documents, problems } = parseDocuments(read.text, path, campaignFormat)
  const campaigns = documents.map(({ parsed }) => parsed)
  const files = new Set(campaigns.flatMap(campaign => campaign.profiles.flatMap(profile => [...campaign.withProfile(profile)?.steps.values() ?? []].flatMap(({ bound }) => bound.experimentFiles))))
  for (const file of files) problems.push(...(await readExperimentFile(join(dirname(path), file))).problems)
  return problems.length > 0 ? { campaigns: [], problems } : { campaigns, problems }
}

/** `faultline campaign FILE`: the exit code of its outcome. Nothing is started unless the file and its experiments are valid. Throws ProfileUnknown. */
export async function campaignCommand(file: string, { profile: wanted, results, json = false, ...settings }: CampaignOptions): Promise<number> {
  const { campaigns: [campaign], problems } = await readCampaignFile(file)
  if (!campaign) {
    process.stderr.write(problems.map(problem => `${renderProblem(problem)}\n`).join(''))
    return 3
  }
  const profile = wanted ?? campaign.profile
  const profiled = campaign.withProfile(profile)
  if (!profiled) throw new ProfileUnknown(`${campaign.name} has no profile ${profile}; it has ${campaign.profiles.join(', ')}`)
  const kubeConfig = readKubeConfig()
  const startMs = Date.now()
  const run = `${campaign.name}-${profile}-${new Date(startMs).toISOString().replace(/[-:]|\.\d+Z/g, '').replace('T', '-')}-${randomBytes(2).toString('hex')}`
  const resultsFolder = resolve(join(results, run))
  mkdirSync(resultsFolder, { recursive: true })
  const progress = progressTo(process.stderr, new Map([...profiled.steps.keys()].map((name, index) => [name, index + 1])))
  progress.say(undefined, `campaign ${campaign.name}, profile ${profile}, context ${kubeConfig.getCurrentContext()}; results in ${resultsFolder}`)
  const outcome = (standing: Standing) => outcomeNow({ campaign, profiled, profile, run, startMs, standing })
  const standing = await runCampaign({
    campaign: profiled, campaignFolder: dirname(resolve(file)), resultsFolder, kubeConfig, settings, progress, abortSignal: interruptSignal(),
    writeReports: now => writeCampaignReports(resultsFolder, { outcome: outcome(now), findings: now.findings, description: campaign.description }),
  })
  const final = outcome(standing)
  process.stdout.write(json ? `${JSON.stringify(final, null, 2)}\n` : printOutcome(final, resultsFolder))
  return final.exitCode
}

interface Now { campaign: Campaign; profiled: ProfiledCampaign; profile: string; run: string; startMs: number; standing: Standing }

function outcomeNow({ campaign, profiled, profile, run, startMs, standing: { state, results, findings } }: Now): CampaignOutcome {
  return outcomeOf({
    campaign: campaign.name, profile, run, startMs, endMs: Date.now(), state, results, kinds: profiled.steps,
    revertUnconfirmed: findings.runs.some(({ judgement }) => judgement.revertUnconfirmed),
  })
}

/** A table of the steps and the bars, then where the reports are. */
function printOutcome({ campaign, verdict, reasons, steps }: CampaignOutcome, folder: string): string {
  const width = Math.max(...steps.map(({ name }) => name.length))
  const bars = steps.flatMap(step => step.bars)
  return [
    ...steps.map(({ name, verdict: its, startedMs, endedMs }) => `  ${name.padEnd(width)}  ${its}${startedMs === null || endedMs === null ? '' : `, ${((endedMs - startedMs) / 1_000).toFixed(0)} s`}`),
    '', ...bars.map(({ name, required, measured, met }) => `  ${met ? '✓' : '✕'} ${name}: ${measured} (required: ${required})`),
    '', `${verdict}  ${campaign}  ${folder}/report.html`, ...reasons.map(reason => `  ${reason}`), '',
  ].join('\n')
}
