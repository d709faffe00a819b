import { beginLease, leaderOf, leads, step, type LeaseEffect, type LeaseInput, type LeaseState } from '../../services/scheduler/lease.ts'
import type { Leadership } from '../../services/scheduler/leadership.ts'
import type { SimBusOptions } from './sim-bus.ts'

const tickMs = 50
const answerWithinMs = 500

/** The real rule (lease.ts) about the simulated key. Mirrors the loop of leadership.ts, which is made of NATS: ask, and take in what comes of it. */
export function simLeadership({ nats, machine, process, chance }: SimBusOptions, holder: string): Leadership {
  const { world } = machine
  let bucketCreatedMs = nats.lease.createdMs
  let state: LeaseState = beginLease({ holder })
  let underWay: Promise<void> = Promise.resolve()
  let ticking: NodeJS.Timeout | undefined
  const known = Promise.withResolvers<void>()
  const isLeading = () => leads(state, machine.monotonicMs())

  function take(input: LeaseInput): void {
    const wasLeading = isLeading()
    const next = step(state, input, machine.monotonicMs())
    state = next.state
    if (state.seen?.record || isLeading()) known.resolve()
    if (isLeading() !== wasLeading) world.tell(`${holder} ${isLeading() ? `leads, epoch ${state.held?.epoch}` : 'leads no longer'}`)
    for (const effect of next.effects) underWay = perform(effect).then(take)
  }

  /** An answer, or none within the time: then nobody knows whether it was done. */
  function perform(effect: LeaseEffect): Promise<LeaseInput> {
    process.step(`${effect.effect} the lease`)
    return new Promise(resolve => {
      const late = world.after(answerWithinMs, process, () => resolve({ is: 'failed' }))
      process.leave(() => world.after(chance.int(0, 3), undefined, () => {
        if (!nats.reaches(machine)) return
        const answer = atServer(effect)
        if (nats.weather.losesAck()) return
        const createdMs = nats.lease.createdMs
        world.after(chance.int(0, 3), undefined, () => {
          if (!nats.reaches(machine)) return
          world.after(0, process, () => {
            late.isOff = true
            bucketCreatedMs = createdMs
            resolve(answer)
          })
        })
      }))
    })
  }

  function atServer(effect: LeaseEffect): LeaseInput {
    if (effect.effect === 'read') return { is: 'read', ...nats.readLease() }
    const revision = nats.writeLease(effect.over, effect.record)
    return revision === 'refused' ? { is: 'refused' } : { is: 'written', revision }
  }

  return {
    campaign() {
      ticking ??= setInterval(() => take({ is: 'tick' }), tickMs)
      return known.promise
    },
    epoch: () => state.held && isLeading() ? { bucketCreatedMs, revision: state.held.epoch } : undefined,
    leader: () => leaderOf(state),
    async stop() {
      clearInterval(ticking)
      take({ is: 'resign' })
      while (state.asked) await underWay
    },
  }
}
