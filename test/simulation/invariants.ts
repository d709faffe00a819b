import { isDeepStrictEqual } from 'node:util'
import type { StoredFact } from '#shared/events.ts'
import { experimentSchema, type Experiment } from '#shared/experiment.ts'
import { faultOfPart } from '#shared/fault.ts'
import { judge, printJudgement } from '#shared/verdict.ts'
import { begin, fold, type RunState } from '../../services/scheduler/core.ts'
import { Chance } from './chance.ts'
import { isOlder, type Act, type Asked, type Span } from './ledger.ts'
import { beginMs, type Machine } from './machine.ts'
import { shortOfPass, whyExcused } from './must-pass.ts'
import { sampleMs } from './sim-load.ts'
import type { Simulation } from './simulation.ts'

/** What must never be, whatever happens. */
export const invariants = {
  'ends by its lease': 'A fault ends by its lease, by its duration from when all of it was read back, or because its run is aborted or its machine halted by a file, and within a second of that at most, whoever is dead, stopped or cut off by then.',
  'touches only its targets': 'What is done is done to targets that were ordered together, that the operator has opted in, and that are still what they were when they were chosen; a recycled PID is another.',
  'blast radius': 'A fault, with all that has joined it, never has more targets at a time than its cap.',
  'done at most once': 'A fault is done to a target once, however often it is asked for and whatever restarts.',
  'one owner of a target': 'Of two faults that cannot share a target, only one has it.',
  'one owner of an epoch': 'Under one epoch only one start of one scheduler sends commands, and no two lead at one time.',
  'old epochs are refused': 'An agent that has heard of a later epoch acts on no order of an earlier one, whatever has restarted since.',
  'aborted stays aborted': 'An agent that has heard that a run is aborted acts on no order of it that comes later, whatever has restarted since.',
  'halt holds': 'From the answer that everything is halted on, no run is taken, and when the last leases are over nothing is in force or done, until somebody asks to resume. While a halt file is there, nothing is done on its machine.',
  'acknowledged is stored': 'A fact that was acknowledged is in the stream, at the place that was told, and numbered without a gap that nobody was told of.',
  'every fault is told': 'Of each fault that was really there the stream tells, and of its end.',
  'same verdict': 'The facts give the same verdict in any order and with any of them twice; it is the one that was stored, and no other is.',
  'no pass without evidence': 'A run that passed has really had each fault on all for whom it was ordered, for at least half of its time, has ended all, was not hurt beyond its limit meanwhile, and was looked at; its load was there.',
  'no failure without a failing': 'A run fails only if a request has really failed.',
  'everybody folds the same': 'All schedulers that have caught up hold the state that the stream folds to.',
  'comes to an end': 'When nothing goes wrong any more, every run is judged, and nothing is left: no rule, no stopped process, no journal entry.',
  'one scheduler is enough': 'Where nothing that a run needs was hurt, since only schedulers were disturbed and one of them was always there (must-pass.ts), every run passes, with each fault done once and ended by its duration.',
  'undisturbed runs decide': 'A run that nothing disturbs, of a system that does not fail, passes.',
  'nothing is thrown away': 'No service lets an error escape.',
} as const
export type InvariantName = keyof typeof invariants

export interface Violation { invariant: InvariantName; atMs: number; what: string }

/** What is promised after a lease or a duration is over. */
const epsilonMs = 1_000
/** From one look to the next (plan.ts). */
const lookMs = 500
/** An inject that is on its way when everything is halted is good for 5 s (the scheduler's deadline), and its lease begins then. */
const haltGraceMs = 5_000 + 3_000 + epsilonMs

/** Holds all invariants against one simulation: after every step what can change by a step, and the rest at the end. */
export class Checker {
  readonly violations: Violation[] = []
  readonly #at: Simulation
  #acts = 0
  #facts = 0
  #acknowledgements = 0
  readonly #done = new Set<string>()
  readonly #judged = new Map<string, string>()
  /** Until then what is in force on a machine may be there still: its kernel has refused to undo. */
  readonly #excusedUntilMs = new Map<Machine, number>()

  constructor(simulation: Simulation) {
    this.#at = simulation
  }

  afterStep(): void {
    const { ledger, agentMachines, world, nats, user } = this.#at
    ledger.settle(agentMachines)
    for (const machine of agentMachines) if (machine.refusesUndo) this.#excusedUntilMs.set(machine, world.nowMs + 2_500) // tried again a second later
    for (const span of ledger.inForce()) this.#endsByLease(span)
    for (; this.#acts < ledger.acts.length; this.#acts++) this.#act(ledger.acts[this.#acts] as Act)
    for (; this.#acknowledgements < ledger.acknowledgements.length; this.#acknowledgements++) {
      const { id, place } = ledger.acknowledgements[this.#acknowledgements] as { id: string; place: number }
      if (nats.facts[place - 1]?.fact.id !== id) this.#violated('acknowledged is stored', `${id} was acknowledged as ${place}`)
    }
    for (; this.#facts < nats.facts.length; this.#facts++) {
      const stored = nats.facts[this.#facts] as StoredFact
      world.tell(`${stored.stream} ${stored.kind} ${stored.fact.subject} ${printData(stored)}`)
      if (stored.kind === 'run.judged') this.#verdict(stored)
    }
    this.#oneLeader()
    this.#halt()
    for (const run of user.wronglyAccepted.splice(0)) this.#violated('halt holds', `${run} was accepted while everything was halted`)
    for (const stray of world.strays.splice(0)) this.#violated('nothing is thrown away', stray instanceof Error ? stray.stack ?? stray.message : String(stray))
  }

  #violated(invariant: InvariantName, what: string): void {
    this.violations.push({ invariant, atMs: this.#at.world.nowMs, what })
  }

  #endsByLease({ order, target }: Span): void {
    const { machine, aborted, by, run, fault } = order
    const { nowMs } = this.#at.world
    if (nowMs <= (this.#excusedUntilMs.get(machine) ?? 0)) return
    const limits = [
      { is: 'its lease', untilMs: order.renewedMs + order.leaseMs },
      // only an agent that lives on can be held to what it has heard, and to a duration that nobody else may know yet; without one, and until all of the fault was read back, the lease ends it
      { is: 'its duration', untilMs: by?.is === 'running' ? Math.max((order.readBackMs ?? Infinity) + (order.durationMs ?? 0), by.wentOnMs) : Infinity },
      { is: 'the abort', untilMs: aborted && aborted.process.is === 'running' ? Math.max(aborted.atMs, aborted.process.wentOnMs, this.#excusedUntilMs.get(machine) ?? 0) : Infinity },
    ]
    if (machine.haltedSinceMs !== undefined) limits.push({ is: 'the halt file', untilMs: by?.is === 'running' ? Math.max(machine.haltedSinceMs, by.wentOnMs, this.#excusedUntilMs.get(machine) ?? 0) : Infinity })
    for (const { is, untilMs } of limits) {
      if (nowMs > untilMs + epsilonMs) this.#violated('ends by its lease', `${fault} of ${run} is still on ${target} (${machine.name}) ${nowMs - untilMs} ms after ${is}`)
    }
  }

  #act({ order, target, machine, atMs, isOptedIn, alsoHeldBy }: Act): void {
    if (!order) return this.#violated('touches only its targets', `${target} on ${machine.name} was touched, and nobody had ordered it`)
    const name = `${order.fault} of ${order.run}`
    const meant = order.asked.filter(({ targets }) => [...order.touched].every(touched => targets.has(touched)))
    if (meant.length === 0) this.#violated('touches only its targets', `${name} has touched ${[...order.touched].join(', ')}, and was ordered for ${order.asked.map(({ targets }) => [...targets].join(', ')).join('; then for ')}`)
    if (machine.haltedSinceMs !== undefined && atMs > Math.max(machine.haltedSinceMs, order.by?.wentOnMs ?? 0) + epsilonMs) this.#violated('halt holds', `${name} has touched ${target} on ${machine.name}, ${atMs - machine.haltedSinceMs} ms after the file was there`)
    if (!isOptedIn) this.#violated('touches only its targets', `${name} has touched ${target}, which has not opted in`)
    if (alsoHeldBy !== undefined) this.#violated('one owner of a target', `${name} has touched ${target}, which another fault has`)
    const isAgain = this.#done.has(`${machine.name}/${machine.boot}/${name}/${target}`)
    if (isAgain && !this.#mayForget(machine)) this.#violated('done at most once', `${name} was done to ${target} before`)
    this.#done.add(`${machine.name}/${machine.boot}/${name}/${target}`)
    const isOld = ({ epoch, heardEpoch }: Asked) => heardEpoch !== undefined && isOlder(epoch, heardEpoch)
    if (meant.length > 0 && meant.every(asked => asked.wasBuried || isOld(asked)) && !this.#mayForget(machine)) {
      if (meant.some(({ wasBuried }) => wasBuried)) this.#violated('aborted stays aborted', `${name} was done on ${machine.name}, which had heard that the run is aborted`)
      else this.#violated('old epochs are refused', `${name} was done on ${machine.name} under an epoch that is over`)
    }
    this.#blastRadius(name, order.run, order.fault, order.blastRadius.maxTargets)
  }

  /** What it is done to at one time, and of what is done in an instant all that it was done to. */
  #blastRadius(name: string, run: string, fault: string, maxTargets: number): void {
    const { ledger } = this.#at
    const isOf = (order: Act['order']) => order?.run === run && faultOfPart(order.fault) === faultOfPart(fault)
    const held = ledger.inForce().filter(({ order }) => isOf(order)).map(({ target }) => target)
    const instant = ledger.acts.filter(({ order }) => isOf(order) && order?.durationMs === undefined).map(({ target }) => target)
    const targets = new Set([...held, ...instant])
    if (targets.size > maxTargets) this.#violated('blast radius', `${name} is on ${[...targets].join(', ')}, and maxTargets is ${maxTargets}`)
  }

  /** What was to be on its disk may not be: it was full, or has lied. */
  #mayForget({ name }: Machine): boolean {
    return this.#at.plan.disturbances.some(disturbance => 'where' in disturbance && disturbance.where === name && (disturbance.is === 'disk-full' || (disturbance.is === 'power-loss' && disturbance.fsyncLies)))
  }

  #oneLeader(): void {
    const { roles, ledger } = this.#at
    const leaders = [...roles.values()].filter(({ scheduler }) => scheduler?.leadership.epoch())
    if (leaders.length > 1) this.#violated('one owner of an epoch', `${leaders.map(({ name }) => name).join(' and ')} lead at one time`)
    for (const [epoch, owners] of ledger.owners) if (owners.size > 1) this.#violated('one owner of an epoch', `${[...owners].join(' and ')} have sent commands under ${epoch}`)
  }

  #halt(): void {
    const { user, world, ledger } = this.#at
    for (const { fromMs, untilMs } of user.halts) {
      if (untilMs !== undefined) continue
      // a leader whose consumer lags behind may not have heard of it yet
      const heardMs = fromMs + 3_500 + this.#at.plan.disturbances.reduce((sum, disturbance) => sum + (disturbance.is === 'follower-stalled' ? disturbance.toMs - disturbance.fromMs : 0), 0)
      if (ledger.urgedAtMs > heardMs) this.#violated('halt holds', `a fault was still ordered or renewed ${ledger.urgedAtMs - fromMs} ms after the halt`)
      if (world.nowMs < fromMs + haltGraceMs) continue
      const [span] = ledger.inForce()
      if (span && world.nowMs > (this.#excusedUntilMs.get(span.order.machine) ?? 0)) this.#violated('halt holds', `${span.order.fault} of ${span.order.run} is on ${span.target} ${world.nowMs - fromMs} ms after the halt`)
      const late = ledger.acts.find(({ atMs }) => atMs >= fromMs + haltGraceMs)
      if (late) this.#violated('halt holds', `${late.target} was touched ${late.atMs - fromMs} ms after the halt`)
    }
  }

  #verdict(stored: StoredFact & { kind: 'run.judged' }): void {
    const { nats, subject, plan } = this.#at
    const run = stored.fact.subject
    const facts = nats.facts.filter(({ fact }) => fact.subject === run)
    const judgement = judge(facts)
    const printed = printJudgement(judgement)
    const chance = new Chance(plan.seed, stored.stream)
    const replayed = printJudgement(judge(chance.shuffled([...facts, ...facts.filter(() => chance.happens(0.3))])))
    if (replayed !== printed) this.#violated('same verdict', `a replay of ${run} gives ${replayed}, not ${printed}`)
    const { verdict, reasons } = stored.fact.data
    if (verdict !== judgement.verdict || !isDeepStrictEqual(reasons, judgement.reasons)) this.#violated('same verdict', `${run} was judged ${verdict} (${reasons.join('; ')}), and is ${judgement.verdict} (${judgement.reasons.join('; ')})`)
    const before = this.#judged.get(run)
    if (before !== undefined && before !== printed) this.#violated('same verdict', `${run} was judged twice, and not alike`)
    this.#judged.set(run, printed)
    if (verdict === 'passed') this.#pass(run, facts)
    if (verdict === 'failed' && !subject.everFailed) this.#violated('no failure without a failing', `${run}: ${reasons.join('; ')}`)
  }

  /** What came after it has changed no verdict. */
  #verdictsStand(): void {
    for (const [run, printed] of this.#judged) {
      const now = printJudgement(judge(this.#at.nats.facts.filter(({ fact }) => fact.subject === run)))
      if (now !== printed) this.#violated('same verdict', `with what was stored after its verdict ${run} is ${now}, and was ${printed}`)
    }
  }

  #pass(run: string, facts: readonly StoredFact[]): void {
    const { ledger, locust } = this.#at
    const experiment = experimentOf(facts)
    const missing = (what: string) => this.#violated('no pass without evidence', `${run} has passed: ${what}`)
    if (!experiment) return missing('nobody can read its experiment')
    if (experiment.load && locust.requests === 0) missing('no request was ever sent')
    for (const { id, durationMs } of experiment.faults) {
      const acts = ledger.acts.filter(({ order }) => order?.run === run && order.fault === id)
      if (acts.length === 0) missing(`${id} was never done`)
      const silent = [...ledger.orders.get(`${run}/${id}`) ?? []].filter(agent => !acts.some(({ machine }) => agentOn(machine) === agent))
      if (silent.length > 0) missing(`${id} was ordered of ${silent.join(', ')} too, and never done there`)
      if (durationMs === undefined) continue
      const spans = ledger.spans.filter(({ order }) => order.run === run && order.fault === id)
      const longestMs = Math.max(0, ...spans.map(({ sinceMs, untilMs }) => (untilMs ?? this.#at.world.nowMs) - sinceMs))
      const own = spans.filter(({ target, order: { machine } }) => !this.#hasDied(machine, target))
      if (own.length > 0 && longestMs < durationMs / 2 - 100) missing(`${id} was there for ${longestMs} of ${durationMs} ms`)
    }
    for (const what of this.#overlooked(run, experiment, facts)) missing(what)
    const left = ledger.inForce().filter(({ order }) => order.run === run)
    if (left.length > 0) missing(`${left.map(({ order, target }) => `${order.fault} on ${target}`).join(', ')} was still there`)
  }

  /** What its gate must have seen, or could not see, while the faults were held. Where a clock has jumped nobody can say when that was. */
  #overlooked(run: string, { gates }: Experiment, facts: readonly StoredFact[]): string[] {
    const { ledger, plan: { disturbances }, subject } = this.#at
    const gate = gates.find(({ phase }) => phase === 'during')
    const fromMs = ledger.acts.find(({ order }) => order?.run === run)?.atMs
    const [confirmedMs] = facts.flatMap(stored => stored.kind === 'fault.injected' ? [stored.fact.data.injectedAtMs - beginMs] : [])
    const [untilMs] = facts.flatMap(stored => stored.kind === 'run.phase' && stored.fact.data.phase === 'revert' ? [stored.fact.data.atMs - beginMs] : [])
    if (!gate || fromMs === undefined || confirmedMs === undefined || untilMs === undefined || disturbances.some(({ is }) => is === 'clock-jump')) return []
    const worst = longestStretch(subject.history.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs))
    const looksMs = (gate.consecutive + 1) * lookMs + 400 // wherever they begin
    const ends = Array.from({ length: Math.floor((untilMs - confirmedMs) / lookMs) }, (_, index) => confirmedMs + (index + 1) * lookMs)
    const seen = ends.filter(endMs => gate.source === 'stream' ? this.#isPosted(endMs - lookMs, endMs) : this.#at.prometheus.told.has(endMs))
    return [
      ...worst > looksMs ? [`requests failed beyond the limit of ${gate.name} for ${worst} ms on end`] : [],
      ...seen.length < 0.9 * ends.length ? [`of the ${ends.length} looks of ${gate.name} there was something to be seen in ${seen.length}`] : [],
    ]
  }

  /** Most of that time was told of; or little of it, which was bad enough to count. */
  #isPosted(fromMs: number, untilMs: number): boolean {
    const posted = this.#at.locust.posted.filter(({ atMs }) => atMs >= fromMs && atMs < untilMs)
    return posted.length * sampleMs >= (untilMs - fromMs) / 2 || posted.some(({ share }) => share > 0.1)
  }

  /** A target that has ended by itself, or by another fault, has nothing left to hold. */
  #hasDied(machine: Machine, target: string): boolean {
    return ![...machine.kernel.tasks.values()].some(({ pod, pid, startTicks }) => target === (pod === undefined ? `process:${pid}:${startTicks}` : `pod:${pod}`))
  }

  atEnd(howEnded: 'over' | 'out of time'): void {
    const { world, nats, user, agentMachines } = this.#at
    const judged = new Set(nats.facts.flatMap(({ kind, fact }) => kind === 'run.judged' ? [fact.subject] : []))
    for (const run of user.runs) if (!judged.has(run)) this.#violated('comes to an end', `${run} is not judged after ${world.nowMs} ms`)
    for (const { name, kernel, disk } of agentMachines) {
      const left = [...kernel.inForce().map(({ target, deed }) => `${target} is ${deed}`), ...kernel.leftovers(), ...disk.names().filter(file => file !== 'memory')]
      if (left.length > 0) this.#violated('comes to an end', `${name} is left with ${left.join(', ')}`)
    }
    if (howEnded === 'out of time' && this.violations.length === 0) this.#violated('comes to an end', 'it is not quiet, and nobody can say why')
    this.#verdictsStand()
    this.#everyFaultIsTold()
    this.#everybodyFoldsTheSame()
    this.#oneSchedulerIsEnough()
    this.#undisturbed()
  }

  #everyFaultIsTold(): void {
    const { ledger, nats } = this.#at
    for (const { order, machine } of ledger.acts) {
      if (!order || this.#mayForget(machine)) continue
      const node = agentOn(machine)
      const told = nats.facts.filter(stored => (stored.kind === 'fault.injected' || stored.kind === 'fault.reverted' || stored.kind === 'fault.refused') && stored.fact.subject === order.run && stored.fact.data.fault === order.fault && stored.fact.data.node === node)
      // of several targets one may have been touched when another could not be: then it is undone, and told as refused
      const isEnded = told.some(stored => stored.kind === 'fault.refused' || (stored.kind === 'fault.reverted' && stored.fact.data.verified))
      if (!isEnded) this.#violated('every fault is told', `${order.fault} of ${order.run} was done on ${machine.name}, and its end is in no fact (${told.map(({ kind }) => kind).join(', ') || 'nor its beginning'})`)
    }
  }

  #everybodyFoldsTheSame(): void {
    const { nats, roles } = this.#at
    const folded = new Map<string, RunState>()
    for (const stored of nats.facts) {
      const run = stored.fact.subject
      const known = folded.get(run) ?? newRun(stored)
      if (known) folded.set(run, fold(known, stored))
    }
    for (const { name, scheduler } of roles.values()) {
      if (!scheduler) continue
      for (const state of scheduler.runs()) {
        const wanted = folded.get(state.run)
        if (!isDeepStrictEqual(withoutExperiment(state), wanted && withoutExperiment(wanted))) this.#violated('everybody folds the same', `${name} holds another state of ${state.run} than the stream`)
      }
    }
  }

  #oneSchedulerIsEnough(): void {
    const { plan, chaos, user, nats, ledger } = this.#at
    const ofSeveral = (run: string, fault: string) => nats.facts.some(stored => stored.kind === 'fault.ordered' && stored.fact.subject === run && stored.fact.data.fault === fault && stored.fact.data.nodes.length > 1)
    if (whyExcused(plan, { spells: chaos.spells, orders: ledger.tellings.filter(({ run, fault }) => ofSeveral(run, fault)) }) !== undefined) return
    chaos.count('must pass')
    for (const run of user.runs) for (const what of shortOfPass(nats.facts.filter(({ fact }) => fact.subject === run))) this.#violated('one scheduler is enough', `${run}: ${what}`)
  }

  #undisturbed(): void {
    const { plan, nats } = this.#at
    if (plan.disturbances.length > 0 || plan.constitution.hurt > 0 || plan.documents.length > 1) return
    const refused = nats.facts.some(({ kind }) => kind === 'fault.refused') // two faults may want the same target
    const aborted = nats.facts.find(stored => stored.kind === 'run.aborting')
    if (refused || (aborted?.kind === 'run.aborting' && aborted.fact.data.cause === 'refused')) return
    for (const stored of nats.facts) {
      if (stored.kind === 'run.judged' && stored.fact.data.verdict !== 'passed') this.#violated('undisturbed runs decide', `${stored.fact.data.verdict}: ${stored.fact.data.reasons.join('; ')}`)
    }
  }
}

/** What the agent of a machine is called. */
const agentOn = ({ name }: Machine): string => name === 'api' ? 'cluster' : name

/** Longest time on end in which more than the limit of every gate (plan.ts: 10 %) has failed. */
function longestStretch(history: readonly { atMs: number; share: number }[]): number {
  let longestMs = 0
  let sinceMs: number | undefined
  for (const { atMs, share } of history) {
    sinceMs = share > 0.1 ? sinceMs ?? atMs : undefined
    if (sinceMs !== undefined) longestMs = Math.max(longestMs, atMs - sinceMs)
  }
  return longestMs
}

function experimentOf(facts: readonly StoredFact[]): Experiment | undefined {
  const [submitted] = facts.flatMap(stored => stored.kind === 'run.submitted' ? [stored.fact.data.experiment] : [])
  return experimentSchema.safeParse(submitted).data
}

function newRun(stored: StoredFact): RunState | undefined {
  const experiment = experimentOf([stored])
  return experiment && begin(stored.fact.subject, experiment, Date.parse(stored.fact.time))
}

/** Its plans are functions, made anew by each who parses it; the fault of a state bears one too. */
const withoutExperiment = ({ experiment: _, faults, ...rest }: RunState) => ({ ...rest, faults: [...faults].map(([id, { spec: _spec, ...fault }]) => [id, fault]) })

function printData({ fact, kind }: StoredFact): string {
  if (kind === 'load.sample' || kind === 'slo.tick' || kind === 'run.submitted') return ''
  return JSON.stringify(fact.data, (key, value: unknown) => typeof value === 'number' && key.endsWith('Ms') && value > beginMs - 10_000_000 ? value - beginMs : value).slice(0, 260)
}
