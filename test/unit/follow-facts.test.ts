import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredFact } from '#shared/events.ts'
import { followFacts } from '../../services/cli/follow-facts.ts'

const never = new AbortController().signal
const fact = (stream: number, kind: StoredFact['kind'] = 'run.phase') => ({ stream, kind }) as StoredFact

/** A scheduler whose streams break off one after another: each gives its facts and then ends, or throws what is last in it. */
function breaking(...streams: (StoredFact | Error)[][]) {
  let asked = 0
  return {
    asked: () => asked,
    async *facts() {
      for (const next of streams[asked++] ?? []) {
        if (next instanceof Error) throw next
        yield await Promise.resolve(next)
      }
    },
  }
}

async function numbers(client: ReturnType<typeof breaking>, { signal = never, patienceMs = 60_000 } = {}): Promise<number[]> {
  const seen: number[] = []
  for await (const { stream } of followFacts(client, 'r', { signal, patienceMs })) seen.push(stream)
  return seen
}

test('a stream that breaks off is asked for again, and each fact comes once', async () => {
  const client = breaking([fact(3), fact(5), new Error('gone')], [fact(3)], [fact(3), fact(5), fact(8), fact(9, 'run.judged'), fact(10)])
  assert.deepEqual(await numbers(client), [3, 5, 8, 9])
  assert.equal(client.asked(), 3)
})

test('without patience the first break is the end', async () => {
  const client = breaking([fact(3), new Error('gone')], [fact(9, 'run.judged')])
  await assert.rejects(numbers(client, { patienceMs: 0 }), /gone/)
  await assert.rejects(numbers(breaking([fact(3)]), { patienceMs: 0 }), /ended the stream/)
})

test('a scheduler that stays away longer than the patience is given up', async () => {
  await assert.rejects(numbers(breaking([new Error('first')], [new Error('second')], [new Error('third')], [fact(9, 'run.judged')]), { patienceMs: 700 }), /third/)
})

test('whoever gives up is not kept', async () => {
  const given = new AbortController()
  const client = breaking([fact(1), new Error('gone')], [fact(9, 'run.judged')])
  setTimeout(() => given.abort(), 50)
  await assert.rejects(numbers(client, { signal: given.signal }))
  assert.equal(client.asked(), 1)
})
