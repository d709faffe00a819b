/**
 * In which order a campaign's steps are done, with no I/O and no clock of its own.
 *
 *   waiting --its turn--> running --ended--> over
 *      |                     '--timeout, abort--> cancelled --ended, or the grace is over--> over
 *      '--stopped, aborted, a need unmet--> over (skipped)
 *
 * A list is done in order; branches side by side, each in its own order. A step marked `always` is done at its place whatever happened
 * before, and no abort cancels it: clean-up is such a step.
 */
export interface PlannedStep {
  name: string
  /** Steps that must have passed. */
  needs: readonly string[]
  always: boolean
  /** `stop`: when it does not pass, only `always` steps follow. */
  onFailure: 'stop' | 'continue'
  timeoutMs: number
}
export type PlanNode = { step: PlannedStep } | { branches: readonly (readonly PlannedStep[])[] }

export type StepVerdict = 'passed' | 'failed' | 'inconclusive'

export type StepState =
  | { at: 'waiting' }
  | { at: 'running'; sinceMs: number; cancelled?: { why: string; atMs: number } }
  | { at: 'over'; verdict: StepVerdict | 'skipped'; why: string; startedMs: number | null; endedMs: number }

export interface CampaignState {
  plan: readonly PlanNode[]
  steps: Readonly<Record<string, StepState>>
  /** Why nothing but `always` steps follows. */
  stopped?: string
  over: boolean
}

export type CampaignEvent =
  | { is: 'begin' }
  | { is: 'ended'; step: string; verdict: StepVerdict; why: string }
  | { is: 'abort'; why: string }
  | { is: 'tick' }

export type CampaignEffect =
  | { effect: 'start'; step: string }
  /** The step is to end by itself, and to leave nothing behind. */
  | { effect: 'cancel'; step: string; why: string }
  | { effect: 'skipped'; step: string; why: string }
  | { effect: 'finish' }

/** A cancelled step has faults to revert and results to write. */
export const cancelGraceMs = 60_000

export function emptyCampaign(plan: readonly PlanNode[]): CampaignState {
  return { plan, steps: Object.fromEntries(plannedSteps(plan).map(({ name }) => [name, { at: 'waiting' }])), over: false }
}

export const plannedSteps = (plan: readonly PlanNode[]): PlannedStep[] => plan.flatMap(node => 'step' in node ? [node.step] : node.branches.flat())

/** Pure. */
export function step(before: CampaignState, event: CampaignEvent, nowMs: number): { state: CampaignState; effects: CampaignEffect[] } {
  if (before.over) return { state: before, effects: [] }
  const course = new Course(before, nowMs)
  if (event.is === 'ended') course.end(event.step, event.verdict, event.why)
  if (event.is === 'abort') course.abort(event.why)
  course.enforceTimeouts()
  course.advance()
  return { state: course.state, effects: course.effects }
}

/** One event's consequences, in the order in which they follow from each other. Lives no longer than the call. */
class Course {
  state: CampaignState
  readonly effects: CampaignEffect[] = []
  readonly #nowMs: number

  constructor(state: CampaignState, nowMs: number) {
    this.state = state
    this.#nowMs = nowMs
  }

  end(name: string, verdict: StepVerdict, why: string): void {
    const found = this.state.steps[name]
    if (found?.at !== 'running') return // its grace was over: what it says now comes too late
    const { cancelled, sinceMs } = found
    // one that was cancelled has not done what it was to do, whatever it says
    const outcome = cancelled ? { verdict: verdict === 'passed' ? 'inconclusive' as const : verdict, why: `${cancelled.why}; ${why}` } : { verdict, why }
    this.#set(name, { at: 'over', ...outcome, startedMs: sinceMs, endedMs: this.#nowMs })
    const { onFailure } = this.#planned(name)
    if (outcome.verdict !== 'passed' && onFailure === 'stop') this.#stop(`${name} ${outcome.verdict === 'failed' ? 'failed' : 'was inconclusive'}`)
  }

  abort(why: string): void {
    this.#stop(why)
    for (const { name, always } of plannedSteps(this.state.plan)) if (!always) this.#cancel(name, why)
  }

  enforceTimeouts(): void {
    for (const { name, timeoutMs } of plannedSteps(this.state.plan)) {
      const found = this.state.steps[name]
      if (found?.at !== 'running') continue
      if (found.cancelled && this.#nowMs >= found.cancelled.atMs + cancelGraceMs) {
        this.end(name, 'failed', `it did not end within ${cancelGraceMs / 1_000} s of that`)
      } else if (this.#nowMs >= found.sinceMs + timeoutMs) this.#cancel(name, `it was not over after ${timeoutMs / 1_000} s`)
    }
  }

  advance(): void {
    const done = this.state.plan.every(node => {
      if ('step' in node) return this.#isOver([node.step])
      return node.branches.map(branch => this.#isOver(branch)).every(Boolean) // each is looked at: they go side by side
    })
    if (!done) return
    this.state = { ...this.state, over: true }
    this.effects.push({ effect: 'finish' })
  }

  /** Starts what is due in a list. */
  #isOver(list: readonly PlannedStep[]): boolean {
    return list.every(planned => {
      if (this.state.steps[planned.name]?.at === 'waiting') this.#begin(planned)
      return this.state.steps[planned.name]?.at === 'over'
    })
  }

  #begin(planned: PlannedStep): void {
    const why = this.#whySkipped(planned)
    if (why === undefined) {
      this.#set(planned.name, { at: 'running', sinceMs: this.#nowMs })
      this.effects.push({ effect: 'start', step: planned.name })
    } else {
      this.#set(planned.name, { at: 'over', verdict: 'skipped', why, startedMs: null, endedMs: this.#nowMs })
      this.effects.push({ effect: 'skipped', step: planned.name, why })
    }
  }

  #whySkipped({ always, needs }: PlannedStep): string | undefined {
    if (always) return undefined
    if (this.state.stopped !== undefined) return this.state.stopped
    const unmet = needs.find(need => verdictOf(this.state.steps[need]) !== 'passed')
    return unmet === undefined ? undefined : `it needs ${unmet}, which ${describeEnd(this.state.steps[unmet])}`
  }

  #cancel(name: string, why: string): void {
    const found = this.state.steps[name]
    if (found?.at !== 'running' || found.cancelled) return
    this.#set(name, { ...found, cancelled: { why, atMs: this.#nowMs } })
    this.effects.push({ effect: 'cancel', step: name, why })
  }

  #stop(why: string): void {
    this.state = { ...this.state, stopped: this.state.stopped ?? why }
  }

  #set(name: string, state: StepState): void {
    this.state = { ...this.state, steps: { ...this.state.steps, [name]: state } }
  }

  #planned(name: string): PlannedStep {
    const found = plannedSteps(this.state.plan).find(planned => planned.name === name)
    if (!found) throw new Error(`${name} is a step of the plan`)
    return found
  }
}

const verdictOf = (state: StepState | undefined) => state?.at === 'over' ? state.verdict : undefined

function describeEnd(state: StepState | undefined): string {
  const verdict = verdictOf(state)
  return verdict === undefined ? 'is not over' : verdict === 'failed' ? 'failed' : `was ${verdict}`
}
