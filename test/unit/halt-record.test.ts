import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mostSightings, sight, type HaltSighting } from '#shared/halt-sightings.ts'
import { HaltsOnRecord, type HaltEntry } from '../../services/scheduler/halt-record.ts'

const found = (sinceMs: number, where = 'the file /a/halt') => ({ where, why: 'release today', sinceMs })
const seenAt = (sinceMs: number, foundAtMs: number, goneAtMs?: number): HaltSighting => ({ ...found(sinceMs), foundAtMs, ...(goneAtMs !== undefined && { goneAtMs }) })

test('a file is seen once while it is there, and is gone once; one that was made anew, or elsewhere, is another', () => {
  let seen: readonly HaltSighting[] = []
  const look = (what: ReturnType<typeof found> | undefined, atMs: number) => { seen = sight(seen, what, atMs) }
  look(undefined, 1)
  assert.deepEqual(seen, [])
  look(found(5), 10)
  const before = seen
  look(found(5), 20)
  assert.equal(seen, before, 'the same array, so that nothing is told')
  look(found(25), 30)
  assert.deepEqual(seen, [seenAt(5, 10, 30), seenAt(25, 30)])
  look(undefined, 40)
  look(undefined, 50)
  assert.deepEqual(seen, [seenAt(5, 10, 30), seenAt(25, 30, 40)])
})

test('whatever was found and gone, the last ten are kept, of which only the last may still be there', () => {
  const looks = fc.array(fc.option(fc.nat(3), { nil: undefined }), { maxLength: 60 })
  fc.assert(fc.property(looks, whats => {
    let seen: readonly HaltSighting[] = []
    for (const [index, what] of whats.entries()) seen = sight(seen, what === undefined ? undefined : found(what), index)
    assert.ok(seen.length <= mostSightings)
    assert.ok(seen.slice(0, -1).every(({ goneAtMs }) => goneAtMs !== undefined))
    assert.equal(seen.at(-1) !== undefined && seen.at(-1)?.goneAtMs === undefined, whats.at(-1) !== undefined)
  }))
})

const entries = (record: HaltsOnRecord, seenBy: string, seen: readonly HaltSighting[], nowMs = 100): string[] => {
  const lacking = record.lacks(seenBy, seen, nowMs)
  for (const entry of lacking) record.take(entry)
  return lacking.map(({ is, sinceMs, atMs }) => `${is} ${sinceMs} at ${atMs}`)
}

test('what is told again and again is on record once: that it was found, and that it is gone, each with its date', () => {
  const record = new HaltsOnRecord()
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10)]), ['found 5 at 10'])
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10)]), [])
  assert.deepEqual(entries(record, 'n2', [seenAt(5, 11)]), ['found 5 at 11'], 'who else has seen it is another')
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10, 20)]), ['gone 5 at 20'])
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10, 20)]), [])
  assert.deepEqual(entries(record, 'n3', [seenAt(7, 12, 13)]), ['found 7 at 12', 'gone 7 at 13'], 'nobody could be told while it was there')
})

test('an agent that was started anew, and has not found again what it had, tells that it is gone; one that has, nothing', () => {
  const record = new HaltsOnRecord()
  entries(record, 'n1', [seenAt(5, 10)])
  entries(record, 'n2', [seenAt(5, 10)])
  assert.deepEqual(entries(record, 'n1', [], 50), ['gone 5 at 50'])
  assert.deepEqual(entries(record, 'n1', [], 60), [])
  assert.deepEqual(entries(record, 'n2', [seenAt(5, 40)]), [])
  entries(record, 'ahead', [seenAt(5, 9_000)])
  assert.deepEqual(entries(record, 'ahead', [], 50), ['gone 5 at 9000'])
  assert.deepEqual(entries(record, 'ahead', [], 60), [], 'once, whatever its clock says')
})

test('a file that is moved away and put back, with its own date, is found and gone a second time', () => {
  const record = new HaltsOnRecord()
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10, 20)]), ['found 5 at 10', 'gone 5 at 20'])
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10, 20), seenAt(5, 30)]), ['found 5 at 30'])
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10, 20), seenAt(5, 30)]), [])
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10, 20), seenAt(5, 30, 40)]), ['gone 5 at 40'])
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10, 20), seenAt(5, 30, 40)]), [])
})

test('what came in another order, or twice, leaves the same on record', () => {
  const entry = (is: HaltEntry['is']): HaltEntry => ({ ...found(5), seenBy: 'n1', is, atMs: is === 'found' ? 10 : 20 })
  const record = new HaltsOnRecord()
  for (const is of ['gone', 'found', 'gone', 'found'] as const) record.take(entry(is))
  assert.deepEqual(entries(record, 'n1', [seenAt(5, 10, 20)]), [])
  assert.deepEqual(entries(record, 'n1', []), [])
})
