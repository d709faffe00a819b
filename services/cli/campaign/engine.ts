/** Does a campaign's steps as its core says: starts them, cancels them, and hears how they end. */
import type { KubeConfig } from '@kubernetes/client-node'
import { messageOf } from '#shared/errors.ts'
import type { ProfiledCampaign } from './campaign.ts'
import { emptyCampaign, step, type CampaignEvent, type CampaignState } from '#shared/campaign-core.ts'
import { noFindings, type Findings } from './findings.ts'
import type { Progress } from './progress.ts'
import type { CampaignSettings, StepContext, StepResult } from './step.ts'

export interface EngineOptions {
  campaign: ProfiledCampaign
  campaignFolder: string
  resultsFolder: string
  kubeConfig: KubeConfig
  settings: CampaignSettings
  progress: Progress
  /** Aborts the campaign: steps end, and those marked `always` are done. */
  abortSignal: AbortSignal
  /** Writes the reports as it stands. */
  writeReports(standing: Standing): Promise<void>
}

/** How far it has come. */
export interface Standing { state: CampaignState; results: ReadonlyMap<string, StepResult>; findings: Findings }

const tickMs = 500

export async function runCampaign({ campaign, abortSignal, progress, writeReports, ...shared }: EngineOptions): Promise<Standing> {
  const standing = { state: emptyCampaign(campaign.plan), results: new Map<string, StepResult>(), findings: noFindings() }
  const running = new Map<string, AbortController>()
  const ends = new Map([...campaign.steps.keys()].map(name => [name, Promise.withResolvers<void>()]))
  const finished = Promise.withResolvers<void>()

  function take(event: CampaignEvent): void {
    const next = step(standing.state, event, Date.now())
    standing.state = next.state
    for (const [name, state] of Object.entries(next.state.steps)) if (state.at === 'over') ends.get(name)?.resolve()
    for (const effect of next.effects) {
      switch (effect.effect) {
        case 'start': void start(effect.step); break
        case 'cancel':
          progress.say(effect.step, `is to end: ${effect.why}`)
          running.get(effect.step)?.abort()
          break
        case 'skipped': progress.say(effect.step, `skipped: ${effect.why}`); break
        case 'finish': finished.resolve()
      }
    }
  }

  async function start(name: string): Promise<void> {
    const found = campaign.steps.get(name)
    const controller = new AbortController()
    running.set(name, controller)
    progress.say(name, `begins (${found?.kind})`)
    const context: StepContext = {
      ...shared, step: name, signal: controller.signal, findings: standing.findings, say: doing => progress.say(name, doing),
      ended: other => ends.get(other)?.promise ?? Promise.resolve(), writeReports: () => writeReports(standing),
    }
    let result: StepResult
    try {
      result = await found?.bound.run(context) ?? { verdict: 'failed', why: 'there is no such step', bars: [] }
    } catch (error) {
      result = { verdict: controller.signal.aborted ? 'inconclusive' : 'failed', why: messageOf(error), bars: [] }
    }
    standing.results.set(name, result)
    progress.say(name, `${result.verdict}: ${result.why}`)
    take({ is: 'ended', step: name, verdict: result.verdict, why: result.why })
  }

  const abort = () => take({ is: 'abort', why: 'aborted by a user' })
  const ticking = setInterval(() => take({ is: 'tick' }), tickMs)
  abortSignal.addEventListener('abort', abort)
  try {
    take({ is: 'begin' })
    if (abortSignal.aborted) abort()
    await finished.promise
  } finally {
    clearInterval(ticking)
    abortSignal.removeEventListener('abort', abort)
  }
  await writeReports(standing)
  return standing
}
