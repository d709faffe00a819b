import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { printPath, problemsOf } from '#shared/experiment-problem.ts'
import { experimentSchema } from '#shared/experiment.ts'

/** What is said of a value that a schema of any making refuses: a new kind may use what no kind uses today. */
const said = (schema: z.ZodType, value: unknown) => (schema.safeParse(value).error?.issues ?? []).flatMap(issue => problemsOf(issue, value).map(({ says }) => says))

/** The first thing that is wrong with an experiment that was sound before the change. */
function refusal(change: object): [issue: z.core.$ZodIssue, document: unknown] {
  const document = {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'sound' },
    faults: [{ kind: 'kill', target: { process: { match: 'gunicorn' } } }], gates: [{ name: 'one', promql: { query: 'up', max: 1 } }], ...change,
  }
  return [experimentSchema.safeParse(document).error?.issues[0] ?? assert.fail('it is sound'), document]
}

test('what zod alone can word is passed on: types without a name of ours, formats, multiples', () => {
  assert.deepEqual(said(z.object({ at: z.date() }), { at: 'today' }), [{ expected: 'date', found: '"today"' }])
  assert.deepEqual(said(z.object({ at: z.iso.date() }), { at: 'today' }), [{ expected: 'text in the format date', found: '"today"' }])
  assert.deepEqual(said(z.object({ step: z.number().multipleOf(5) }), { step: 3 }), [{ expected: 'Invalid number: must be a multiple of 5', found: '3' }])
})

test('a key where the format knows none is refused without a word that would not be accepted either', () => {
  assert.deepEqual(said(z.object({ nowhere: z.strictObject({}) }), { nowhere: { name: 1 } }), [{ expected: 'no such key', found: '"name"' }])
})

test('a single word that is wanted is told alone, and the nearest of several is suggested however deep the alternatives are nested', () => {
  assert.deepEqual(said(z.object({ kind: z.literal('pause') }), { kind: 'pauze' }), [{ expected: '"pause"', found: '"pauze"', didYouMean: 'pause' }])
  const nested = z.union([z.number(), z.union([z.enum(['all', 'none']), z.literal('one')])])
  assert.deepEqual(said(z.object({ pick: nested }), { pick: 'non' }).map(({ didYouMean }) => didYouMean), ['none'])
})

test('a path is written as one would write it in JavaScript, with keys in quotes where they are no names', () => {
  assert.equal(printPath(['faults', 0, 'target', 'two words', 'a-b']), 'faults[0].target["two words"].a-b')
})

test('a number where a duration is due is asked for its unit: seconds are suggested where they are likely, and of a larger number none is', () => {
  const timed = (within: number) => problemsOf(...refusal({ recovery: { within } }))
  assert.deepEqual(timed(30).map(({ says }) => says), [{ expected: 'a duration with its unit, such as 30ms or 30s', found: '30', didYouMean: '30s' }])
  assert.deepEqual(timed(500).map(({ says }) => says), [{ expected: 'a duration with its unit, such as 500ms or 500s', found: '500' }])
  assert.deepEqual(timed(-1).map(({ says }) => says), [{ expected: 'text', found: '-1' }])
})

test('a percentage where a share is due is suggested as a share', () => {
  const quantile = (value: number) => problemsOf(...refusal({ gates: [{ name: 'slow', latency: { quantile: value, max: '1s' } }] })).map(({ says: { found, didYouMean } }) => [found, didYouMean])
  assert.deepEqual(quantile(95), [['95', '0.95']])
  assert.deepEqual(quantile(950), [['950', undefined]])
})
