import assert from 'node:assert/strict'
import { test } from 'node:test'
import { passingOverTheLost } from '#shared/nats-connection.ts'

/** What the client does with it (nats 2.29, dodialLoop in protocol.js): the servers in turn, each if it was not asked too lately. Gives who is asked when. */
function askings({ servers, connectedMs, lostMs, until }: { servers: string[]; connectedMs: number; lostMs: number; until: number }): [number, string][] {
  let nowMs = connectedMs
  const waitMs = passingOverTheLost(() => nowMs)
  const askedMs = new Map<string, number>()
  waitMs()
  askedMs.set(servers[0] ?? '', nowMs)
  const asked: [number, string][] = []
  for (nowMs = lostMs; nowMs < until;) {
    const wait = waitMs()
    const server = servers.shift() ?? ''
    servers.push(server)
    const lastMs = askedMs.get(server)
    if (lastMs === undefined || lastMs + wait <= nowMs) {
      asked.push([nowMs, server])
      askedMs.set(server, nowMs)
      nowMs += 1 // it refuses
    } else nowMs += Math.min(wait, lastMs + wait - nowMs)
  }
  return asked
}

test('the server that was just lost is not the first to be asked again, however long it was there', () => {
  for (const lostMs of [200, 1_000, 86_400_000]) {
    const asked = askings({ servers: ['lost', 'other', 'third'], connectedMs: 0, lostMs, until: lostMs + 20 })
    assert.deepEqual(asked.slice(0, 2).map(([, server]) => server), ['other', 'third'])
    assert.ok((asked[0]?.[0] ?? Infinity) <= lostMs + 2, 'and the next one is asked at once')
  }
})

test('the only server is asked again at once, then about every 100 to 150 ms', () => {
  const asked = askings({ servers: ['only'], connectedMs: 0, lostMs: 60_000, until: 62_000 })
  assert.ok((asked[0]?.[0] ?? Infinity) <= 60_002)
  assert.ok(asked.length >= 13 && asked.length <= 20, String(asked.length))
})

test('a clock that was set back keeps nobody from being asked', () => {
  const asked = askings({ servers: ['only'], connectedMs: 3_600_000, lostMs: 0, until: 1_000 })
  assert.equal(asked[0]?.[0], 0)
})
