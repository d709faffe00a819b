import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beginEProcess, eValue, nextBlock, planEProcess } from '#shared/e-process.ts'
import { requestsForPass, upperBound } from '#shared/pass-evidence.ts'
import { sampleSize } from '#shared/sample-size.ts'
import oracle from '../oracle/gates.json' with { type: 'json' }

/** Figures of SciPy, by test/oracle/gates.py, which shares neither code nor method with the product. */
const tolerance = 1e-9

for (const { name, p0, plannedBlocks, blocks, eValues } of oracle.eProcess) {
  test(`E agrees with SciPy after each block: ${name}`, () => {
    const plan = planEProcess(p0, plannedBlocks ?? undefined)
    let state = beginEProcess(plan)
    for (const [index, [bad = 0, total = 0]] of blocks.entries()) {
      state = nextBlock(plan, state, total === 0 ? undefined : bad / total)
      agrees(eValue(plan, state), eValues[index], `block ${index + 1}`)
    }
    assert.equal(eValues.length, blocks.length)
  })
}

test('the largest share that is still believable agrees with SciPy, also where bursts make fractions of the counts', () => {
  for (const { bound, ...asked } of oracle.upperBound) agrees(upperBound(asked, asked), bound, JSON.stringify(asked))
})

test('the requests that a pass takes are those of SciPy, to the last one', () => {
  for (const { bad, requests, ...question } of oracle.requestsForPass) assert.equal(requestsForPass(bad, question), requests, JSON.stringify({ bad, ...question }))
})

test('so are the sample sizes of faultline power', () => {
  for (const { requests, allowedBad, ...question } of oracle.sampleSize) {
    const found = sampleSize({ ...question, requestsPerBurst: 1 })
    assert.deepEqual([found.requests, found.allowedBad], [requests, allowedBad], JSON.stringify(question))
  }
})

function agrees(found: number, expected: number | undefined, what: string): void {
  assert.ok(expected !== undefined && Math.abs(found - expected) <= tolerance * Math.abs(expected), `${what}: ${found}, SciPy says ${expected}`)
}
