import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DateTime } from 'luxon'
import { openWeek, whyClosed, windowStretches, type Calendar, type Window } from '#shared/policy-calendar.ts'
import { chooseTemplate, plannedTicks, planner } from '#shared/policy-plan.ts'
import { policyOf } from '../parts/policy-builder.ts'

const zone = 'Europe/Berlin'
const at = (text: string) => DateTime.fromISO(text, { zone }).toMillis()
const hourMs = 3_600_000
const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
const window = (from: string, to: string, days: Window['days'] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']): Window => ({ days, fromMinute: minutes(from), toMinute: minutes(to) })
const calendar = (windows: Window[], freezes: Calendar['freezes'] = []): Calendar => ({ timeZone: zone, windows, freezes })
const spans = (stretches: readonly { fromMs: number; toMs: number }[]) => stretches.map(({ fromMs, toMs }) => [fromMs, toMs].map(ms => DateTime.fromMillis(ms, { zone }).toFormat('dd HH:mm')).join('-'))

test('a window is open by the clock, also on the days that are an hour shorter or longer', () => {
  const { timeZone, windows } = calendar([window('01:00', '05:00')])
  const lengthOn = (date: string) => windowStretches({ timeZone, windows }, at(`${date}T00:00`), at(`${date}T12:00`)).map(({ fromMs, toMs }) => (toMs - fromMs) / hourMs)
  assert.deepEqual(lengthOn('2026-03-28'), [4])
  assert.deepEqual(lengthOn('2026-03-29'), [3])
  assert.deepEqual(lengthOn('2026-10-25'), [5])
})

test('a time that the clock leaves out in spring is the one after the gap', () => {
  const { timeZone, windows } = calendar([window('02:30', '04:00')])
  assert.deepEqual(spans(windowStretches({ timeZone, windows }, at('2026-03-29T00:00'), at('2026-03-29T12:00'))), ['29 03:30-29 04:00'])
})

test('a window that closes on the next day, and windows that meet, are one stretch', () => {
  const { timeZone, windows } = calendar([window('22:00', '06:00', ['fri']), window('06:00', '24:00', ['sat']), window('00:00', '03:00', ['sun'])])
  assert.deepEqual(spans(windowStretches({ timeZone, windows }, at('2026-12-05T00:00'), at('2026-12-05T12:00'))), ['04 22:00-06 03:00'])
  assert.equal(whyClosed(calendar([...windows]), at('2026-12-05T05:59'), 10 * 60_000), undefined)
})

test('what begins in a window and would end after it is closed out; so is what would run into a freeze', () => {
  const open = calendar([window('09:00', '17:00', ['mon'])], [{ from: '2026-12-14', to: '2026-12-14', why: 'a release' }])
  assert.equal(whyClosed(open, at('2026-12-07T16:50'), 600_000), undefined)
  assert.equal(whyClosed(open, at('2026-12-07T16:50'), 600_001)?.reason, 'window')
  assert.equal(whyClosed(open, at('2026-12-07T09:00') - 1, 1)?.reason, 'window')
  assert.deepEqual(whyClosed(open, at('2026-12-14T10:00'), 1), { reason: 'freeze', why: '2026-12-14 to 2026-12-14 is frozen: a release' })
  assert.equal(whyClosed(calendar([], open.freezes), at('2026-12-13T23:59'), 60_001)?.reason, 'freeze')
  assert.equal(whyClosed(calendar([], open.freezes), at('2026-12-13T23:59'), 60_000), undefined)
  assert.equal(whyClosed(calendar([], open.freezes), at('2026-12-15T00:00'), hourMs), undefined)
})

test('how much of a week is open, less what a run needs before each close; days on which windows open count once', () => {
  assert.deepEqual(openWeek([], 60_000), { days: 7, beginnableMs: 168 * hourMs, shortestMs: Infinity })
  assert.deepEqual(openWeek([window('09:00', '17:00', ['mon', 'tue'])], hourMs), { days: 2, beginnableMs: 14 * hourMs, shortestMs: 8 * hourMs })
  assert.deepEqual(openWeek([window('22:00', '06:00', ['sun'])], 0), { days: 1, beginnableMs: 8 * hourMs, shortestMs: 8 * hourMs })
  assert.deepEqual(openWeek([window('09:00', '12:00', ['mon']), window('11:00', '13:00', ['mon']), window('00:00', '01:00', ['tue'])], 0), { days: 2, beginnableMs: 5 * hourMs, shortestMs: hourMs })
  assert.deepEqual(openWeek([window('00:00', '24:00')], hourMs), { days: 7, beginnableMs: 168 * hourMs, shortestMs: Infinity })
  assert.deepEqual(openWeek([window('08:00', '08:00', ['mon'])], 0), { days: 1, beginnableMs: 24 * hourMs, shortestMs: 24 * hourMs })
})

test('30 a day is 30 a day, however long the windows are open', () => {
  const [from, days] = [at('2026-01-05T00:00'), 364]
  for (const windows of [[], [{ from: '09:00', to: '17:00' }], [{ from: '09:00', to: '09:30' }], [{ from: '22:00', to: '04:00' }]]) {
    const count = plannedTicks(policyOf({ windows, timeZone: zone }), from, from + days * 24 * hourMs).length
    assert.ok(Math.abs(count / (30 * days) - 1) < 0.04, `${JSON.stringify(windows)}: ${count / days} a day`)
  }
  const workdays = plannedTicks(policyOf({ windows: [{ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '09:00', to: '17:00' }], timeZone: zone }), from, from + days * 24 * hourMs).length
  assert.ok(Math.abs(workdays / (30 * 260) - 1) < 0.04, `${workdays / 260} on each of five days a week`)
  const hourly = plannedTicks(policyOf({ rate: { mean: 6, per: 'hour' }, windows: [{ from: '09:00', to: '17:00' }], timeZone: zone }), from, from + days * 24 * hourMs).length
  assert.ok(Math.abs(hourly / (6 * 8 * days) - 1) < 0.04, `${hourly / days / 8} an hour`)
  const weekly = plannedTicks(policyOf({ rate: { mean: 70, per: 'week' }, windows: [{ days: ['sat'], from: '09:00', to: '17:00' }], timeZone: zone }), from, from + days * 24 * hourMs).length
  assert.ok(Math.abs(weekly / (70 * 52) - 1) < 0.05, `${weekly / 52} a week`)
})

test('the times between are those of a Poisson process: their spread is their mean, across the hours\' borders too', () => {
  const ticks = plannedTicks(policyOf(), 0, 400 * 24 * hourMs).map(({ atMs }) => atMs)
  const gaps = ticks.slice(1).map((atMs, index) => atMs - (ticks[index] ?? 0))
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length)
  assert.ok(Math.abs(mean / (48 * 60_000) - 1) < 0.03 && Math.abs(deviation / mean - 1) < 0.05, `mean ${mean}, deviation ${deviation}`)
  const minuteOfHour = Array.from({ length: 6 }, (_, tenth) => ticks.filter(atMs => Math.floor(atMs / 600_000) % 6 === tenth).length / ticks.length)
  for (const share of minuteOfHour) assert.ok(Math.abs(share - 1 / 6) < 0.02, minuteOfHour.join(', '))
})

test('whoever asks for any part of the time finds the same ticks; a seed and a name make a plan of their own', () => {
  const policy = policyOf({ timeZone: zone, windows: [{ from: '01:00', to: '04:00' }] })
  const whole = plannedTicks(policy, at('2026-10-20T00:00'), at('2026-11-01T00:00'))
  const asked = planner(policy)
  fc.assert(fc.property(fc.integer({ min: 0, max: 12 * 24 * 60 }), fc.integer({ min: 0, max: 3 * 24 * 60 }), (begin, length) => {
    const [from, to] = [at('2026-10-20T00:00') + begin * 60_000, at('2026-10-20T00:00') + (begin + length) * 60_000]
    assert.deepEqual(asked(from, to).filter(({ atMs }) => atMs < at('2026-11-01T00:00')), whole.filter(({ atMs }) => atMs >= from && atMs < to))
  }), { numRuns: 100 })
  const times = (more: object) => plannedTicks(policyOf(more), 0, 24 * hourMs).map(({ atMs }) => atMs)
  assert.notDeepEqual(times({}), times({ metadata: { name: 'other' } }))
  assert.notDeepEqual(times({}), times({ rate: { mean: 30, per: 'day', seed: 8 } }))
  assert.deepEqual(times({}), times({ cooldown: '10m', concurrency: 5, freezes: [{ from: '2026-01-01', to: '2026-01-02' }] }))
})

test('many ticks in an hour all have a time of their own, and stay in it', () => {
  const ticks = plannedTicks(policyOf({ rate: { mean: 10_000, per: 'hour' } }), 0, 20 * hourMs).map(({ atMs }) => atMs)
  assert.ok(ticks.every((atMs, index) => index === 0 || atMs > (ticks[index - 1] ?? 0)))
  assert.ok(Math.abs(ticks.length / 200_000 - 1) < 0.01)
})

test('a cron pattern is of the time zone, by the clock', () => {
  const { rate: _, ...policy } = { rate: undefined, cron: '30 9 * * 1-5', timeZone: zone }
  const ticks = plannedTicks(policyOf({ ...policy, rate: undefined }), at('2026-10-22T00:00'), at('2026-10-28T00:00'))
  assert.deepEqual(ticks.map(({ atMs }) => DateTime.fromMillis(atMs, { zone }).toFormat('ccc dd HH:mm')), ['Thu 22 09:30', 'Fri 23 09:30', 'Mon 26 09:30', 'Tue 27 09:30'])
  assert.deepEqual(plannedTicks(policyOf({ ...policy, rate: undefined }), ticks[0]?.atMs ?? 0, (ticks[1]?.atMs ?? 0)).length, 1, 'the first is in, the end is not')
  assert.notEqual(ticks[0]?.choice, ticks[1]?.choice)
})

test('templates are chosen by weight, and more often where coverage prefers them; a template that is preferred by nothing is never chosen', () => {
  const { templates } = policyOf()
  assert.deepEqual([0, 0.749, 0.751, 0.999].map(choice => chooseTemplate(templates, choice).name), ['web', 'web', 'redis', 'redis'])
  assert.deepEqual([0.49, 0.51].map(choice => chooseTemplate(templates, choice, ({ name }) => name === 'redis' ? 3 : 1).name), ['web', 'redis'])
  assert.deepEqual([0, 0.5, 0.999].map(choice => chooseTemplate(templates, choice, ({ name }) => name === 'web' ? 0 : 1).name), ['redis', 'redis', 'redis'])
  assert.equal(chooseTemplate(templates, 1).name, 'redis', 'what rounding may leave over is the last one\'s')
  assert.throws(() => chooseTemplate([], 0.5))
})

test('a rate of nothing has no ticks, rather than ticks for ever', () => {
  assert.deepEqual(plannedTicks({ ...policyOf(), timing: { by: 'rate', perMs: 0, seed: 'any' } }, 0, 24 * hourMs), [])
})
