import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Prometheus } from '#shared/prometheus.ts'
import { askedOnce } from '../../services/slo-evaluator/asked-once.ts'

/** Answers when it is told to. */
function slow() {
  const asked: string[] = []
  const open: (() => void)[] = []
  const answer = async <T>(what: string, value: T): Promise<T> => {
    asked.push(what)
    await new Promise<void>(resolve => open.push(resolve))
    return value
  }
  const prometheus: Prometheus = {
    ask: (query, ms) => answer(`ask ${query} ${ms}`, { is: 'value', value: ms }),
    samples: (query, ms) => answer(`samples ${query} ${ms}`, { is: 'samples', series: [] }),
    knowsMetric: name => answer(`knowsMetric ${name}`, { is: 'known' }),
    history: query => answer(`history ${query}`, []),
    close: () => asked.push('close'),
  }
  return { asked, prometheus, answerAll: () => open.splice(0).forEach(resolve => resolve()) }
}

test('gates that ask the same at the same time share one question and its answer', async () => {
  const { asked, prometheus, answerAll } = slow()
  const once = askedOnce(prometheus)
  const fresh = { freshForMs: 5_000 }
  const answers = [once.ask('a', 1, fresh), once.ask('a', 1, fresh), once.ask('a', 2, fresh), once.ask('a', 1, { freshForMs: 1 }), once.samples('a', 1), once.samples('a', 1), once.knowsMetric('a'), once.knowsMetric('a'), once.history('a', 0, 1, 1), once.history('a', 0, 1, 1)]
  answerAll()
  assert.deepEqual(asked, ['ask a 1', 'ask a 2', 'ask a 1', 'samples a 1', 'knowsMetric a', 'history a'])
  assert.deepEqual((await Promise.all(answers)).slice(0, 3), [{ is: 'value', value: 1 }, { is: 'value', value: 1 }, { is: 'value', value: 2 }])
  const again = once.ask('a', 1, fresh)
  answerAll()
  await again
  assert.equal(asked.length, 7, 'what was answered is asked anew')
  once.close()
  assert.equal(asked.at(-1), 'close')
})

test('a question that fails fails for all who asked it, and may be asked again', async () => {
  const failing = askedOnce({ ...slow().prometheus, history: () => Promise.reject(new Error('gone')) })
  const both = await Promise.allSettled([failing.history('a', 0, 1, 1), failing.history('a', 0, 1, 1)])
  assert.deepEqual(both.map(({ status }) => status), ['rejected', 'rejected'])
  await assert.rejects(failing.history('a', 0, 1, 1), /gone/)
})
