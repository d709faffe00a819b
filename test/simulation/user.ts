import { Halted, type Scheduler } from '../../services/scheduler/service.ts'
import type { Role } from './roles.ts'
import { Died, type World } from './world.ts'

const askAgainMs = 200
const answeredWithinMs = 4_000
/** A user does not ask for ever. */
const patienceMs = 60_000

/** Between two answers of a scheduler: everything is to be still. */
export interface HaltTime { fromMs: number; untilMs: number | undefined }

/** Who submits runs, aborts them, and pulls the lever: asks whichever scheduler leads, again and again until one has done it (as through-leader.ts does). */
export class User {
  /** Runs that were accepted. */
  readonly runs: string[] = []
  readonly refused: { run: string; why: 'halted' }[] = []
  readonly halts: HaltTime[] = []
  /** Accepted, although asked for when everything was halted. */
  readonly wronglyAccepted: string[] = []
  /** Deeds that are still being asked for. */
  underWay = 0
  /** Of them, those that are to resume. */
  #resuming = 0
  readonly #world: World
  readonly #schedulers: readonly Role[]
  readonly #isHalted: () => boolean

  /** `isHalted`: by the last fact that says so or otherwise. */
  constructor(world: World, schedulers: readonly Role[], isHalted: () => boolean) {
    this.#world = world
    this.#schedulers = schedulers
    this.#isHalted = isHalted
  }

  submit(run: string, document: unknown): void {
    let askedAtMs: number | undefined // the first time: whoever took it then may say so later
    this.#ask(scheduler => {
      askedAtMs ??= this.#world.nowMs
      return scheduler.submit(document, { run })
    }, () => {
      if (this.runs.includes(run)) return
      this.runs.push(run)
      if (this.halts.some(({ fromMs, untilMs }) => askedAtMs !== undefined && fromMs < askedAtMs && untilMs === undefined)) this.wronglyAccepted.push(run)
    }, () => this.refused.push({ run, why: 'halted' }))
  }

  abort(done: () => void): void {
    const [run] = this.runs
    if (run !== undefined) this.#ask(scheduler => scheduler.abort(run, 'a user'), isUnderWay => { if (isUnderWay) done() })
  }

  halt(forMs: number, done: () => void): void {
    this.#ask(scheduler => scheduler.halt.set('a user', ''), () => {
      this.#world.tell('--- halted')
      if (this.#resuming === 0) this.#holds() // else whoever asks to resume may have the last word
      done()
      this.#world.after(forMs, undefined, () => this.#resume())
    })
  }

  #holds(): void {
    this.halts.push({ fromMs: this.#world.nowMs, untilMs: undefined })
  }

  #resume(): void {
    this.#world.tell('--- is to be resumed')
    for (const each of this.halts) each.untilMs ??= this.#world.nowMs
    this.#resuming += 1
    this.#ask(scheduler => scheduler.halt.release('a user'), () => {
      this.#resuming -= 1
      if (this.#resuming === 0 && this.#isHalted()) this.#holds() // a halt that was asked for meanwhile came later
    })
  }

  /** A deed may be asked for twice, and means the same each time. */
  #ask<T>(deed: (scheduler: Scheduler) => Promise<T>, done: (answer: T) => void, refused: () => void = () => undefined): void {
    const givenUpAtMs = this.#world.nowMs + patienceMs
    this.underWay += 1
    const end = (happens: () => void) => {
      this.underWay -= 1
      happens()
    }
    const attempt = (): void => {
      if (this.#world.nowMs > givenUpAtMs) return end(() => undefined)
      const { process, scheduler } = this.#schedulers.find(({ scheduler }) => scheduler?.leadership.epoch()) ?? {}
      if (!process || !scheduler) return void this.#world.after(askAgainMs, undefined, attempt)
      let isOver = false
      const once = (happens: () => void) => {
        if (isOver) return
        isOver = true
        this.#world.after(1, undefined, happens)
      }
      const again = () => once(() => this.#world.after(askAgainMs, undefined, attempt))
      const ask = async (): Promise<void> => {
        try {
          const answer = await deed(scheduler)
          once(() => end(() => done(answer)))
        } catch (error) {
          if (error instanceof Halted) once(() => end(refused))
          else if (!(error instanceof Died)) again() // it leads no longer, or the load generator is taken
        }
      }
      this.#world.after(answeredWithinMs, undefined, again)
      this.#world.after(2, process, () => void ask())
    }
    attempt()
  }
}
