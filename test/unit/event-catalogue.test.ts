import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { commands } from '#shared/commands.ts'
import { facts, parseFact } from '#shared/events.ts'
import { eventCatalogue } from '../../services/cli/event-catalogue.ts'

test('the committed catalogue of events is what the schemas say', () => {
  assert.equal(readFileSync(new URL('../../shared/EVENTS.md', import.meta.url), 'utf8'), eventCatalogue(), 'run: npx faultline generate')
})

test('the catalogue names every fact and command once', () => {
  const headings = eventCatalogue().split('\n').filter(line => line.startsWith('### ')).map(line => line.slice(4))
  for (const name of [...Object.keys(facts), ...Object.keys(commands)]) assert.equal(headings.filter(heading => heading === name).length, 1, name)
})

const fact = {
  specversion: '1.0', id: '/faultline/x/1/r/1', source: '/faultline/x/1', type: 'dev.faultline.slo.tick', subject: 'r', time: '2026-01-01T00:00:00.000Z',
  datacontenttype: 'application/json', sequence: 1, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, data: { atMs: 1 },
}

test('a fact of an unknown type, with a key too many or without its number is refused', () => {
  assert.equal(parseFact(fact, 7).kind, 'slo.tick')
  assert.throws(() => parseFact({ ...fact, type: 'dev.faultline.no.such' }, 7), /no\.such/)
  assert.throws(() => parseFact({ ...fact, data: { atMs: 1, more: 1 } }, 7))
  assert.throws(() => parseFact({ ...fact, sequence: undefined }, 7))
  assert.throws(() => parseFact({ ...fact, type: 'dev.faultline.__proto__' }, 7))
})
