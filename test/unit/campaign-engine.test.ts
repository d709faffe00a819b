/** The engine with steps that are real functions: only what they would do to a cluster is left out. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'node:test'
import { KubeConfig } from '@kubernetes/client-node'
import type { ProfiledCampaign } from '../../services/cli/campaign/campaign.ts'
import type { PlannedStep } from '#shared/campaign-core.ts'
import { runCampaign, type Standing } from '../../services/cli/campaign/engine.ts'
import { outcomeOf } from '../../services/cli/campaign/outcome.ts'
import type { BoundStep, StepContext, StepResult } from '../../services/cli/campaign/step.ts'

type Run = (context: StepContext) => Promise<StepResult>
interface Given extends Partial<PlannedStep> { run: Run }

const passed: StepResult = { verdict: 'passed', why: 'fine', bars: [] }
const bound = (run: Run, timeoutMs: number): BoundStep => ({ timeoutMs, refersTo: [], experimentFiles: [], withProfile: () => ({ issues: [] }), run })
const untilAborted = ({ signal }: StepContext) => new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))

/** Steps in order; those under one key with `|` side by side. */
function campaignOf(steps: Record<string, Given>): ProfiledCampaign {
  const planned = (name: string): PlannedStep => ({ name, needs: [], always: false, onFailure: 'stop', timeoutMs: 60_000, ...steps[name] })
  return {
    plan: Object.keys(steps).map(name => ({ step: planned(name) })),
    steps: new Map(Object.entries(steps).map(([name, { run, timeoutMs = 60_000 }]) => [name, { kind: 'a function', bound: bound(run, timeoutMs) }])),
  }
}

async function play(campaign: ProfiledCampaign, abortSignal = new AbortController().signal): Promise<{ standing: Standing; said: string[]; written: number }> {
  const said: string[] = []
  let written = 0
  const standing = await runCampaign({
    campaign, abortSignal, campaignFolder: '/', resultsFolder: '/', kubeConfig: new KubeConfig(), settings: { namespace: 'faultline-system' },
    progress: { say: (step, doing) => said.push(`${step}: ${doing}`) }, writeReports: async () => { written += 1 },
  })
  return { standing, said, written }
}

const outcome = (campaign: ProfiledCampaign, { state, results }: Standing, revertUnconfirmed = false) =>
  outcomeOf({ campaign: 'c', profile: 'p', run: 'r', startMs: 0, endMs: 1, state, results, kinds: campaign.steps, revertUnconfirmed })

test('each step gets what those before it found, and everything that passes makes a pass', async () => {
  const campaign = campaignOf({
    one: { run: async ({ findings }) => { findings.broughtIn.push({ is: 'faultline' }); return passed } },
    two: { run: async ({ findings }) => ({ ...passed, why: JSON.stringify(findings.broughtIn), bars: [{ name: 'b', required: '1', measured: '1', met: true }] }) },
  })
  const { standing, said, written } = await play(campaign)
  assert.equal(written, 1)
  assert.deepEqual(said, ['one: begins (a function)', 'one: passed: fine', 'two: begins (a function)', 'two: passed: [{"is":"faultline"}]'])
  const { verdict, exitCode, reasons } = outcome(campaign, standing)
  assert.deepEqual({ verdict, exitCode, reasons }, { verdict: 'passed', exitCode: 0, reasons: ['every step passed, and every bar was met'] })
})

test('a step that throws has failed with what it threw; the next is skipped, and clean-up is done', async () => {
  let cleaned = false
  const campaign = campaignOf({
    broken: { run: () => Promise.reject(new Error('no such image')) },
    next: { run: () => Promise.resolve(passed) },
    'clean-up': { always: true, run: async () => { cleaned = true; return passed } },
  })
  const { standing } = await play(campaign)
  assert.ok(cleaned)
  const { verdict, exitCode, reasons, steps } = outcome(campaign, standing)
  assert.deepEqual([verdict, exitCode], ['failed', 1])
  assert.deepEqual(reasons, ['broken failed: no such image', 'next was skipped: broken failed'])
  assert.deepEqual(steps.map(({ verdict: its }) => its), ['failed', 'skipped', 'passed'])
})

test('an abort reaches the step that runs, and clean-up is done after it', async () => {
  const aborting = new AbortController()
  const order: string[] = []
  const campaign = campaignOf({
    long: {
      run: async context => {
        const ended = untilAborted(context)
        aborting.abort()
        await ended
        order.push('reverted')
        return passed
      },
    },
    'clean-up': { always: true, run: async ({ signal }) => { order.push(signal.aborted ? 'cancelled' : 'cleaned'); return passed } },
  })
  const { standing } = await play(campaign, aborting.signal)
  assert.deepEqual(order, ['reverted', 'cleaned'])
  const { verdict, exitCode } = outcome(campaign, standing)
  assert.deepEqual([verdict, exitCode], ['inconclusive', 2])
})

test('a step that is over its time is told to end', async () => {
  const campaign = campaignOf({ long: { timeoutMs: 1, run: async context => { await untilAborted(context); throw new Error('given up') } } })
  const { standing } = await play(campaign)
  const { steps: [long] } = outcome(campaign, standing)
  assert.deepEqual([long?.verdict, long?.why], ['inconclusive', 'it was not over after 0.001 s; given up'])
})

test('a step can wait for another that goes beside it, and for one that is not there it does not', async () => {
  const order: string[] = []
  const watch: Run = async ({ ended }) => { await ended('load'); await ended('nobody'); order.push('watched'); return passed }
  const load: Run = async () => { await delay(20); order.push('loaded'); return passed }
  const { plan, steps } = campaignOf({ watch: { run: watch }, load: { run: load } })
  const [first, second] = plan.flatMap(node => 'step' in node ? [node.step] : [])
  assert.ok(first && second)
  await play({ plan: [{ branches: [[first], [second]] }], steps })
  assert.deepEqual(order, ['loaded', 'watched'])
})

test('a bar that is not met fails the campaign, though its step says that it passed; a revert that was not confirmed weighs more', async () => {
  const campaign = campaignOf({ sla: { run: () => Promise.resolve({ ...passed, bars: [{ name: 'availability', required: '99.9 %', measured: '98 %', met: false }] }) } })
  const { standing } = await play(campaign)
  assert.deepEqual(outcome(campaign, standing).reasons, ['sla: availability: 98 %, required 99.9 %'])
  assert.equal(outcome(campaign, standing).exitCode, 1)
  const unconfirmed = outcome(campaign, standing, true)
  assert.deepEqual([unconfirmed.exitCode, unconfirmed.reasons[0]], [4, 'a fault may still be there: its revert was not confirmed'])
})

test('a report that is written on the way says what is not over, which is no pass', async () => {
  const verdicts: string[] = []
  const campaign = campaignOf({ report: { run: async ({ writeReports }) => { await writeReports(); return passed } }, later: { run: () => Promise.resolve(passed) } })
  await runCampaign({
    campaign, abortSignal: new AbortController().signal, campaignFolder: '/', resultsFolder: '/', kubeConfig: new KubeConfig(), settings: { namespace: 'x' }, progress: { say: () => undefined },
    writeReports: async standing => { verdicts.push(outcome(campaign, standing).steps.map(({ verdict }) => verdict).join()) },
  })
  assert.deepEqual(verdicts, ['not over,not over', 'passed,passed'])
})
