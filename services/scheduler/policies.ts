import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Bus } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import type { Coverage } from '#shared/coverage.ts'
import { messageOf } from '#shared/errors.ts'
import type { FactType, StoredFact } from '#shared/events.ts'
import { remainingOf, type Remaining } from '#shared/policy-budget.ts'
import { decide, fold, graceMs, keptOf, newPolicy, replacePolicy, standing, type PolicyEffect, type PolicyState, type World } from '#shared/policy-core.ts'
import { chooseTemplate, planner } from '#shared/policy-plan.ts'
import { preferenceOfTemplate } from '#shared/policy-preference.ts'
import { servicesOfExperiment, type ServiceKey } from '#shared/policy-services.ts'
import { policySchema, type Policy, type Template } from '#shared/policy.ts'
import type { Prometheus } from '#shared/prometheus.ts'
import type { RunState } from './core.ts'
import type { PolicyState as ShownPolicy } from './page/wire.ts'
import { policyMetrics } from './policy-metrics.ts'
import type { Webhook } from './policy-webhook.ts'
import { Halted, LoadBusy, NotLeading, type Scheduler } from './service.ts'

/** What the page shows of it, and who put it in force: `a user`, or the object of Kubernetes. */
export interface PolicySummary extends ShownPolicy { by: string }

export interface Policies {
  /** In force from now on, or in force anew; resolves when it is, with its name (its own when left out). Throws zod's error, NotLeading. */
  set(document: unknown, by: string, name?: string): Promise<string>
  /** False when there is none of that name. Its runs under way go on to their end. Throws NotLeading. */
  remove(name: string, by: string): Promise<boolean>
  /** False when there is none of that name, or it is not paused. Throws NotLeading. */
  resume(name: string, by: string): Promise<boolean>
  list(): PolicySummary[]
  stop(): Promise<void>
}

export interface PoliciesOptions {
  bus: Bus
  scheduler: Scheduler
  clock: Clock
  log: Logger
  metrics: Registry
  /** Who is asked for error budgets; while there is nobody, policies that have any do not run. */
  prometheus?: (() => Pick<Prometheus, 'ask'> | undefined) | undefined
  webhook?: Webhook | undefined
}

const followed: FactType[] = ['policy.set', 'policy.removed', 'policy.ticked', 'policy.missed', 'policy.settled', 'policy.paused', 'policy.resumed']
const lookMs = 200
/** An SLO's budget is a figure of days; recording rules are often reckoned once a minute. */
const sampleFreshMs = 300_000
const askEveryMs = 60_000
const foldedWithinMs = 10_000
/** A run that is sealed and not judged by then is inconclusive to its policy. */
const judgedWithinMs = 60_000
const shownUpcoming = 10
const subjectOf = (name: string) => `policy-${name}`

interface Known { state: PolicyState; ticks: ReturnType<typeof planner>; remaining?: World['remaining'] }

/** Follows the facts of policies and, on the leader, acts by them: shared/policy-core.ts decides. */
export async function startPolicies({ bus, scheduler, clock, log, metrics, prometheus, webhook }: PoliciesOptions): Promise<Policies> {
  const writer = bus.writer('scheduler')
  const policies = new Map<string, Known>()
  const underWay = new Set<string>()
  const beginning = new Map<string, readonly ServiceKey[]>()
  const reached = new Set<{ stream: number; resolve: () => void }>()
  const leads = () => scheduler.leadership.epoch() !== undefined
  let foldedTo = 0
  let isReady = false
  let watchedSinceMs: number | undefined
  let lookedAtMs = 0
  const counted = policyMetrics(metrics, () => list())

  const facts = bus.follow({ types: followed })
  const caughtUp = Promise.withResolvers<void>()
  const following = (async () => {
    for await (const next of facts) {
      if (next.is === 'fact') take(next.stored)
      else if (next.is === 'invalid') log.error({ stream: next.stream, why: next.why }, 'a fact that is not in the catalogue was left out')
      else {
        isReady = true
        caughtUp.resolve()
      }
    }
  })()
  following.catch((error: unknown) => {
    isReady = false
    caughtUp.reject(error)
    log.error({ err: error as Error }, 'the stream of facts of policies ended')
  })

  function take(stored: StoredFact): void {
    const name = stored.fact.subject.slice(subjectOf('').length)
    const known = policies.get(name)
    switch (stored.kind) {
      case 'policy.set': {
        const parsed = policySchema.safeParse(stored.fact.data.policy)
        if (!parsed.success) {
          log.error({ policy: name, why: parsed.error.message }, 'a stored policy cannot be read by this version')
          break
        }
        const policy: Policy = { ...parsed.data, name }
        const isRecord = known !== undefined && stored.fact.data.kept !== undefined
        policies.set(name, {
          state: known ? replacePolicy(known.state, policy, stored.fact.data) : newPolicy(policy, stored.fact.data),
          ticks: isRecord ? known.ticks : planner(policy),
          ...(isRecord && known.remaining && { remaining: known.remaining }),
        })
        break
      }
      case 'policy.removed': policies.delete(name); break
      case 'policy.ticked': case 'policy.missed': case 'policy.settled': case 'policy.paused': case 'policy.resumed': {
        if (!known) break
        const before = known.state
        known.state = fold(before, { kind: stored.kind, data: stored.fact.data } as Parameters<typeof fold>[1])
        if (isReady && leads() && known.state !== before) counted.take(name, stored)
        break
      }
      default: break
    }
    foldedTo = stored.stream
    for (const waiting of reached) if (waiting.stream <= foldedTo) waiting.resolve()
  }

  const ticking = setInterval(look, lookMs)

  function look(): void {
    const nowMs = clock.nowMs()
    if (!isReady || !leads()) {
      watchedSinceMs = undefined
      return
    }
    if (watchedSinceMs === undefined || nowMs - lookedAtMs > graceMs || nowMs < lookedAtMs) watchedSinceMs = nowMs
    lookedAtMs = nowMs
    for (const [name, known] of policies) {
      const effects = decide(known.state, worldOf(known, nowMs), nowMs)
      const isOld = known.state.policy.budgets.length > 0 && nowMs - (known.remaining?.atMs ?? 0) > askEveryMs
      for (const effect of isOld ? [...effects, { key: 'ask-remaining', effect: 'ask-remaining' } as const] : effects) undertake(name, known, effect)
    }
  }

  /** The matrix is made only if somebody asks, and once for all that is decided in a moment. */
  function coverageWeight(): (template: Template) => number {
    let coverage: Coverage | undefined
    return template => preferenceOfTemplate(coverage ??= scheduler.coverage(), template)
  }

  function worldOf({ state, ticks, remaining }: Known, nowMs: number): World {
    const runs = scheduler.runs()
    const byName = new Map(runs.map(run => [run.run, run]))
    const active = runs.filter(({ sealedAtMs }) => sealedAtMs === undefined)
    return {
      halted: scheduler.halt.state().halted, watchedSinceMs: watchedSinceMs ?? nowMs, ticks: ticks(state.cursorMs + 1, nowMs + 1), remaining, preference: coverageWeight(),
      busy: [...active.map(run => ({ run: run.run, services: servicesOfRun(run) })), ...[...beginning].map(([run, services]) => ({ run, services }))],
      loadBusy: active.find(({ experiment }) => experiment.load)?.run,
      isBegun: run => byName.has(run),
      endOf: name => endOf(byName.get(name), nowMs),
    }
  }

  /** As a policy that began it names them, else as its targets do. */
  function servicesOfRun({ run, experiment }: RunState): readonly ServiceKey[] {
    for (const { state } of policies.values()) {
      const template = state.runs.get(run)?.template
      const found = state.policy.templates.find(({ name }) => name === template)
      if (found) return found.services
    }
    return servicesOfExperiment(experiment)
  }

  /** Begins a deed unless it is under way; it is over when what it wrote has come back. A failed one is decided again. */
  function undertake(name: string, known: Known, effect: PolicyEffect): void {
    const key = `${name}/${effect.key}`
    if (underWay.has(key)) return
    underWay.add(key)
    perform(name, known, effect).catch((error: unknown) => {
      if (error instanceof NotLeading) return
      log.error({ policy: name, err: error as Error, effect: effect.key }, 'an effect of a policy failed; it is tried again')
    }).finally(() => underWay.delete(key))
  }

  async function perform(name: string, known: Known, effect: PolicyEffect): Promise<void> {
    const decidedAtMs = clock.nowMs()
    switch (effect.effect) {
      case 'ask-remaining': {
        const bySlo = await askRemaining(known.state.policy)
        known.remaining = { atMs: clock.nowMs(), bySlo }
        return
      }
      case 'begin': {
        const { tick: { atMs }, template, run, remaining } = effect
        const why = await begin(template, run)
        const tick = { atMs, decidedAtMs, template: template.name, experiment: template.experiment.name }
        if (why === 'later') return
        if (why === undefined) await write(name, 'policy.ticked', { ...tick, outcome: 'run', run, remaining })
        else await write(name, 'policy.ticked', { ...tick, outcome: 'skipped', ...why })
        return
      }
      case 'skip': {
        const { atMs, template, reason, why } = effect
        log.info({ policy: name, reason }, `a run of ${template.name} is skipped: ${why}`)
        await write(name, 'policy.ticked', { atMs, decidedAtMs, template: template.name, experiment: template.experiment.name, outcome: 'skipped', reason, why })
        return
      }
      case 'miss': {
        const { fromMs, toMs, count } = effect
        log.warn({ policy: name, count }, 'runs were due while no scheduler was there to begin them; they are not made up for')
        await write(name, 'policy.missed', { fromMs, toMs, count })
        return
      }
      case 'settle': {
        const { run, verdict, since, costs } = effect
        const bySlo = await askRemaining(known.state.policy)
        known.remaining = { atMs: clock.nowMs(), bySlo }
        const spent = known.state.policy.budgets.map(({ slo }) => {
          const [before, after] = [since[slo], bySlo.get(slo)]
          return before !== undefined && after?.is === 'known' ? { slo, ratio: Math.max(0, before - after.ratio), measured: true } : { slo, ratio: costs[slo] ?? 0, measured: false }
        })
        await write(name, 'policy.settled', { run, verdict, endedAtMs: endOf(scheduler.runs().find(state => state.run === run), decidedAtMs)?.atMs ?? decidedAtMs, atMs: decidedAtMs, spent })
        return
      }
      case 'pause': {
        log.warn({ policy: name, run: effect.run }, `the policy pauses: ${effect.why}`)
        await write(name, 'policy.paused', { why: effect.why, run: effect.run, atMs: decidedAtMs })
        void webhook?.tell(`faultline: the policy ${name} has paused: ${effect.why}. It begins no run until it is resumed: faultline policy resume ${name}`)
        return
      }
      case 'write-down': await write(name, 'policy.set', { policy: known.state.document, by: known.state.by, atMs: decidedAtMs, kept: keptOf(known.state) })
    }
  }

  /** Undefined: it is begun. `later`: it is decided again. */
  async function begin(template: Template, run: string): Promise<undefined | 'later' | { reason: string; why: string }> {
    beginning.set(run, template.services)
    try {
      await scheduler.submit(template.document, { run })
      return undefined
    } catch (error) {
      if (error instanceof LoadBusy) return 'later'
      if (error instanceof Halted) return { reason: 'halted', why: messageOf(error) }
      throw error
    } finally {
      beginning.delete(run)
    }
  }

  async function askRemaining({ budgets }: Policy): Promise<Map<string, Remaining>> {
    return new Map(await Promise.all(budgets.map(async ({ slo, remaining }): Promise<[string, Remaining]> => {
      const answer = await prometheus?.()?.ask(remaining, clock.nowMs(), { freshForMs: sampleFreshMs }) ?? { is: 'no-data', why: 'no Prometheus is configured; set prometheus.url' }
      return [slo, remainingOf(answer)]
    })))
  }

  /** Resolves when it is stored and folded, so that whoever asks next is told of it. */
  async function write<T extends FactType>(name: string, type: T, data: Parameters<typeof writer.write<T>>[2]): Promise<void> {
    demandLead()
    const stream = await writer.write(subjectOf(name), type, data)
    if (stream <= foldedTo) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiting = { stream, resolve }
    reached.add(waiting)
    const late = setTimeout(resolve, foldedWithinMs)
    await promise
    clearTimeout(late)
    reached.delete(waiting)
  }

  function demandLead(): void {
    if (!leads()) throw new NotLeading(`this scheduler does not lead; ${scheduler.leadership.leader()?.holder ?? 'nobody'} does`)
  }

  function list(): PolicySummary[] {
    const nowMs = clock.nowMs()
    return [...policies].toSorted(([a], [b]) => a < b ? -1 : 1).map(([name, known]) => {
      const { state, remaining } = known
      const upcoming = upcomingOf(known, nowMs)
      const stands = standing(state, worldOf(known, nowMs), nowMs)
      const begins = stands.state === 'active' || stands.state === 'waiting'
      return {
        name, by: state.by, ...stands, nextAtMs: begins ? upcoming[0]?.atMs ?? null : null, upcoming, recent: state.recent.toReversed(),
        budgets: state.policy.budgets.map(({ slo }) => {
          const answer = remaining?.bySlo.get(slo)
          return { slo, remainingRatio: answer?.is === 'known' ? answer.ratio : null, why: answer?.is === 'known' ? null : answer?.why ?? 'not asked yet' }
        }),
      }
    })
  }

  function upcomingOf({ state: { policy }, ticks }: Known, nowMs: number): PolicySummary['upcoming'] {
    for (const hours of [1, 24, 24 * 7]) {
      const found = ticks(nowMs + 1, nowMs + hours * 3_600_000)
      if (found.length < shownUpcoming && hours < 24 * 7) continue
      return found.slice(0, shownUpcoming).map(({ atMs, choice }) => ({ atMs, experiment: chooseTemplate(policy.templates, choice, policy.prefersCoverage ? coverageWeight() : undefined).experiment.name }))
    }
    return []
  }

  await caughtUp.promise
  return {
    list,
    async set(document, by, name = policySchema.parse(document).name) {
      policySchema.parse(document)
      await write(name, 'policy.set', { policy: document, by, atMs: clock.nowMs() })
      return name
    },
    async remove(name, by) {
      demandLead()
      if (!policies.has(name)) return false
      await write(name, 'policy.removed', { by, atMs: clock.nowMs() })
      return true
    },
    async resume(name, by) {
      demandLead()
      if (!policies.get(name)?.state.paused) return false
      await write(name, 'policy.resumed', { by, atMs: clock.nowMs() })
      return true
    },
    async stop() {
      isReady = false
      clearInterval(ticking)
      webhook?.stop()
      for (const { resolve } of reached) resolve()
      await facts.stop()
      await following.catch((error: unknown) => log.error({ why: messageOf(error) }, 'following policies ended'))
    },
  }
}

function endOf(run: RunState | undefined, nowMs: number): ReturnType<World['endOf']> {
  if (!run) return { verdict: 'inconclusive', atMs: nowMs } // the stream has forgotten it
  if (run.sealedAtMs === undefined) return undefined
  const verdict = run.verdict === 'passed' || run.verdict === 'failed' || run.verdict === 'inconclusive' ? run.verdict : undefined
  if (verdict === undefined && nowMs < run.sealedAtMs + judgedWithinMs) return undefined
  return { verdict: verdict ?? 'inconclusive', atMs: run.sealedAtMs }
}
