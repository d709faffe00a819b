import type { Logger } from 'pino'
import type { Bus, FactWriter, Subscription } from '#shared/bus.ts'
import type { Clock } from '#shared/clock.ts'
import { messageOf } from '#shared/errors.ts'
import type { FactData, StoredFact } from '#shared/events.ts'
import { runFields } from '#shared/log.ts'
import type { TestedService } from '#shared/tested-service.ts'
import type { RunState } from './core.ts'

export interface RunServicesOptions {
  bus: Bus
  writer: FactWriter
  clock: Clock
  log: Logger
  onFact(listener: (stored: StoredFact, state: RunState) => void): Subscription
  leads(): boolean
  /** Name of the agent that may use the Kubernetes API, while there is one. */
  apiSideAgent(): string | undefined
}

/**
 * Has it on record which services were there, in which versions: as a run began, and once it was sealed. Nothing waits for it and nothing is decided by
 * it; what is missing is unknown to whoever asks later, and blocks a release.
 */
export function recordServices({ bus, writer, clock, log, onFact, leads, apiSideAgent }: RunServicesOptions): Subscription {
  async function look(state: RunState): Promise<Pick<FactData<'run.services'>, 'services' | 'declared' | 'unknown'> | undefined> {
    const agent = apiSideAgent()
    if (agent === undefined) return state.declaredServices && { services: [...state.declaredServices], declared: true }
    try {
      const found = await bus.request('discover', agent, {}, { timeoutMs: 5_000 })
      return found.outcome === 'done' ? { services: found.services } : { services: [], unknown: found.why }
    } catch (error) {
      return { services: [], unknown: messageOf(error) }
    }
  }

  async function record(state: RunState, when: 'begin' | 'end'): Promise<void> {
    const atMs = clock.nowMs()
    const seen = await look(state)
    if (seen) await writer.write(state.run, 'run.services', { when, ...seen, atMs })
  }

  return onFact((stored, state) => {
    const when = stored.kind === 'run.phase' && stored.fact.data.phase === 'steady' ? 'begin' : stored.kind === 'run.sealed' ? 'end' : undefined
    if (when === undefined || !leads()) return
    record(state, when).catch((error: unknown) => log.warn({ ...runFields(state.run), why: messageOf(error) }, 'which services are tested could not be stored'))
  })
}

/** What a run was on, if it was the same all along. */
export type RunServices = { begin?: readonly TestedService[]; end?: readonly TestedService[]; unknown?: string }

/** The first word counts. Pure. */
export function withServices(known: RunServices, { when, services, unknown }: FactData<'run.services'>): RunServices {
  if (unknown !== undefined) return { ...known, unknown: known.unknown ?? unknown }
  return known[when] ? known : { ...known, [when]: services }
}
