import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Bus } from '#shared/bus.ts'
import type { RunState } from './core.ts'
import { emptyLiveRun, foldLive, neededFacts, newsOf } from './live-news.ts'
import { openStream, type EventStream } from './open-stream.ts'
import type { RunSummary } from './page/wire.ts'
import { summaryOf } from './run-summary.ts'
import type { Scheduler } from './service.ts'

/** Load samples come at this pace; more often nothing would have changed. */
const newsEveryMs = 200
/** Heartbeats and aborts must not wait until somebody's history is read. */
const factsAtATime = 100

export interface PageApiOptions {
  scheduler: Scheduler
  bus: Bus
  /** The run, as soon as this scheduler has heard of it. */
  find(run: string): Promise<RunState | undefined>
}

/**
 * What the live page reads, beside the routes that everybody has; to be registered where the bearer token is asked for.
 *
 *   GET /api/v1/events           server-sent events: `runs`, every summary; then `run`, one whenever it has changed
 *   GET /api/v1/runs/:run/live   server-sent events: `news` of one run (News, page/wire.ts), the first with all that has been; ends with the verdict
 */
export function pageApi(guarded: FastifyInstance, { scheduler, bus, find }: PageApiOptions): void {
  guarded.get('/api/v1/events', (request, reply) => {
    const stream = openStream(request, reply)
    const sent = new Map<string, string>()
    const isNew = (summary: RunSummary) => {
      const text = JSON.stringify(summary)
      return sent.get(summary.run) !== text && sent.set(summary.run, text)
    }
    const changed = new Map<string, RunState>()
    let isSending = false
    /** One after another, as they are taken: of a run that changes faster than that, the latest. */
    async function sendChanged(): Promise<void> {
      if (isSending) return
      isSending = true
      await stream.taken()
      for (const [run, state] of changed) {
        changed.delete(run)
        const summary = summaryOf(state)
        if (isNew(summary)) stream.send('run', summary)
        await stream.taken()
      }
      isSending = false
    }
    const listening = scheduler.onFact((_stored, state) => {
      changed.set(state.run, state)
      void sendChanged()
    })
    stream.onClose(() => listening.stop())
    stream.send('runs', scheduler.runs().map(summaryOf).filter(isNew))
  })

  guarded.get<{ Params: { run: string } }>('/api/v1/runs/:run/live', async (request, reply) => {
    const { run } = request.params
    if (!await find(run)) return reply.code(404).send({ error: `no run ${run}` })
    return streamNews(bus, run, openStream(request, reply))
  })
}

async function streamNews(bus: Bus, run: string, stream: EventStream): Promise<void> {
  await using facts = bus.follow({ run, types: neededFacts })
  stream.onClose(() => void facts.stop())
  let state = emptyLiveRun(run)
  let sent = state
  let isCaughtUp = false
  const send = () => {
    const news = isCaughtUp ? newsOf(sent, state, Date.now()) : undefined
    if (isCaughtUp) sent = state
    if (news) stream.send('news', news)
  }
  const sendUnlessBehind = () => { if (!stream.isBehind()) send() } // what is new meanwhile comes with the next
  const sending = setInterval(sendUnlessBehind, newsEveryMs)
  stream.onClose(() => clearInterval(sending))
  let count = 0
  for await (const next of facts) {
    if (next.is === 'caught-up') isCaughtUp = true
    if (next.is === 'fact') {
      const { facts: before } = state
      state = foldLive(state, next.stored)
      if (state.facts !== before) sendUnlessBehind() // samples can wait, a fault cannot
      if (next.stored.kind === 'run.judged') break
    }
    if (++count % factsAtATime === 0) await nextTurn()
  }
  isCaughtUp = true
  send()
  stream.end()
}
