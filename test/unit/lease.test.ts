import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { beginLease, leaderOf, leads, step, type Found, type LeaseEffect, type LeaseInput, type LeaseState } from '../../services/scheduler/lease.ts'

const folder = new URL('../transcripts/lease/', import.meta.url)

for (const name of readdirSync(folder)) {
  test(`the lease behaves as in ${name}`, () => {
    const file = new URL(name, folder)
    const written = readFileSync(file, 'utf8')
    const played = play(written)
    if (process.env['REWRITE']) writeFileSync(file, played) // then read the diff
    assert.equal(played, written)
  })
}

/** Keeps comments and inputs, and writes under each input what the core answers to it, and whether it leads from then on. */
function play(transcript: string): string {
  let state = beginLease({ holder: 'me' })
  let wasLeading = false
  return transcript.split('\n').filter(line => !line.startsWith('  ')).flatMap(line => {
    const [, now, words] = /^at (\d+)\s+(.*)/.exec(line) ?? []
    if (words === undefined) return [line]
    const next = words === 'look' ? { state, effects: [] } : step(state, parse(words), Number(now))
    state = next.state
    const isLeading = leads(state, Number(now))
    const change = isLeading === wasLeading ? [] : [isLeading ? `  leads, epoch ${state.held?.epoch}` : `  does not lead; ${leaderOf(state)?.holder ?? 'nobody'} does, as far as it knows`]
    wasLeading = isLeading
    return [line, ...next.effects.map(print), ...change]
  }).join('\n')
}

function parse(words: string): LeaseInput {
  const [is = '', number = '', holder = '', ...rest] = words.split(' ')
  const epoch = rest.indexOf('epoch')
  switch (is) {
    case 'read': {
      const empty = rest.indexOf('at')
      const record = { holder, ...(epoch >= 0 && { epoch: Number(rest[epoch + 1]) }), ...(rest.includes('released') && { released: true }) }
      return { is, revision: Number(number), ...(holder === 'nothing' ? { emptyAt: Number(rest[empty + 1]) } : { record }) }
    }
    case 'written': return { is, revision: Number(number) }
    case 'tick': case 'refused': case 'failed': case 'resign': return { is }
    default: throw new Error(`no such input: ${words}`)
  }
}

function print(effect: LeaseEffect): string {
  if (effect.effect === 'read') return '  read'
  const { record: { epoch, released }, over: { revision, emptyAt } } = effect
  return `  write over ${emptyAt === undefined ? revision : `nothing at ${emptyAt}`}: ${released ? 'released' : epoch === undefined ? 'taken' : `renewed, epoch ${epoch}`}`
}

test('where it answers is written as soon as it is known', () => {
  const { state } = step(step(beginLease({ holder: 'me' }), { is: 'tick' }, 0).state, { is: 'read', revision: 4, record: { holder: 'other', released: true } }, 1)
  const [effect] = step(state, { is: 'tick', address: 'http://10.0.0.1:9646' }, 50).effects
  assert.deepEqual(effect?.effect === 'write' && effect.record, { holder: 'me', address: 'http://10.0.0.1:9646' })
})

/** A request on its way: the server acts on it at `servedMs`, and the answer comes at `answeredMs`, if it comes. */
interface UnderWay { effect: LeaseEffect; servedMs: number; answeredMs: number; isLost: boolean; answer?: LeaseInput }
interface Simulated { state: LeaseState; offsetMs: number; stoppedUntilMs: number; underWay?: UnderWay | undefined }

const trouble = fc.record({
  delaysMs: fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 5, maxLength: 60 }),
  losses: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 5, maxLength: 60 }),
  stops: fc.array(fc.record({ who: fc.integer({ min: 0, max: 2 }), atMs: fc.integer({ min: 0, max: 15_000 }), forMs: fc.integer({ min: 10, max: 6_000 }) }), { maxLength: 6 }),
  /** When the key is lost, with its bucket. */
  lossesMs: fc.array(fc.integer({ min: 0, max: 3_000 }).map(steps => steps * 5), { maxLength: 4 }),
})

test('whatever is late, lost or stopped, and if the key itself is lost, again and again, two never lead at once, and each new leader has a higher epoch', () => {
  let leaders = 0
  fc.assert(fc.property(trouble, ({ delaysMs, losses, stops, lossesMs }) => {
    const schedulers: Simulated[] = ['a', 'b', 'c'].map((holder, index) => ({ state: beginLease({ holder }), offsetMs: index * 1e6, stoppedUntilMs: 0 }))
    let stored: Found = { revision: 1, record: { holder: 'one of old', released: true } }
    let draws = 0
    const leading = new Map<number, string>()
    for (let nowMs = 0; nowMs < 15_000; nowMs += 5) {
      if (lossesMs.includes(nowMs)) stored = { revision: 0, emptyAt: 1e6 + nowMs - 1 } // as epoch.ts has it
      for (const [index, scheduler] of schedulers.entries()) {
        for (const stop of stops) if (stop.who === index && stop.atMs <= nowMs && nowMs < stop.atMs + 5) scheduler.stoppedUntilMs = Math.max(scheduler.stoppedUntilMs, nowMs + stop.forMs)
        const { underWay } = scheduler
        if (underWay && !underWay.answer && nowMs >= underWay.servedMs) { // the server does not wait for a stopped client
          if (underWay.effect.effect === 'read') underWay.answer = { is: 'read', ...stored }
          else if (underWay.effect.over.revision !== stored.revision || (underWay.effect.over.emptyAt ?? stored.emptyAt) !== stored.emptyAt) underWay.answer = { is: 'refused' }
          else {
            const revision = (stored.emptyAt ?? stored.revision) + 1
            stored = { revision, record: underWay.effect.record }
            underWay.answer = { is: 'written', revision }
          }
        }
        if (nowMs < scheduler.stoppedUntilMs) continue
        const feed = (input: LeaseInput) => {
          const next = step(scheduler.state, input, nowMs + scheduler.offsetMs)
          scheduler.state = next.state
          for (const effect of next.effects) {
            const delayMs = delaysMs[draws % delaysMs.length] ?? 1
            scheduler.underWay = { effect, servedMs: nowMs + delayMs / 2, answeredMs: nowMs + delayMs, isLost: losses[draws % losses.length] === 0 }
            draws += 1
          }
        }
        if (underWay?.answer && nowMs >= underWay.answeredMs) {
          scheduler.underWay = undefined
          feed(underWay.isLost ? { is: 'failed' } : underWay.answer)
        } else if (nowMs % 50 === 0) feed({ is: 'tick' })
      }
      const now = schedulers.filter(({ state, offsetMs, stoppedUntilMs }) => nowMs >= stoppedUntilMs && leads(state, nowMs + offsetMs))
      assert.ok(now.length <= 1, `${now.map(({ state }) => state.me.holder).join(' and ')} lead at ${nowMs}`)
      for (const { state } of now) {
        const epoch = state.held?.epoch ?? 0
        const holder = leading.get(epoch)
        assert.ok(holder === undefined || holder === state.me.holder, `${holder} and ${state.me.holder} have both had epoch ${epoch}`)
        assert.ok(epoch >= Math.max(0, ...leading.keys()), `epoch ${epoch} after ${[...leading.keys()].join(', ')}`)
        leading.set(epoch, state.me.holder)
      }
    }
    leaders += leading.size
  }), { numRuns: 150 })
  assert.ok(leaders > 150, `only ${leaders} leaders in all: the simulation shows nothing`)
})
