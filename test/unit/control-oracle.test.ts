import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beginEProcess, eValue, nextFactors, planEProcess } from '#shared/e-process.ts'
import { excessBound, excessFactors, expectedShare, isExcessRuledOut } from '#shared/excess-evidence.ts'
import { withRecent } from '#shared/gate-control.ts'
import oracle from '../oracle/control.json' with { type: 'json' }

/** Figures of SciPy, by test/oracle/control.py, which shares neither code nor method with the product. */
const tolerance = 1e-9

for (const { name, limit, burst, plannedBlocks, blocks, eValues } of oracle.eProcess) {
  test(`E of a gate with a control agrees with SciPy after each block: ${name}`, () => {
    const plan = planEProcess(limit, plannedBlocks)
    const pass = { budget: limit, alpha: 0.05, requestsPerBurst: burst }
    let process = beginEProcess(plan)
    let recent = { bad: 0, total: 0 }
    for (const [index, [bad = 0, total = 0, controlBad = 0, controlTotal = 0, slack = 1]] of blocks.entries()) {
      const seen = { pairs: Math.min(total, controlTotal) / burst, badShare: bad / total, controlShare: controlBad / controlTotal }
      process = nextFactors(plan, process, excessFactors(plan.alternatives, expectedShare(recent, pass), { limit, slack }, seen))
      recent = withRecent(recent, { bad: controlBad, total: controlTotal })
      agrees(eValue(plan, process), eValues[index], `block ${index + 1}`)
    }
    assert.equal(eValues.length, blocks.length)
  })
}

test('the largest excess that is still believable agrees with SciPy, and what is more is ruled out', () => {
  for (const { bound, alpha, burst, ...seen } of oracle.pass) {
    const asked = { alpha, requestsPerBurst: burst }
    agrees(excessBound(seen, asked), bound, JSON.stringify(seen))
    assert.ok(isExcessRuledOut(seen, { ...asked, budget: Math.min(1, bound * (1 + 1e-9)) }) && !isExcessRuledOut(seen, { ...asked, budget: bound * (1 - 1e-9) }))
  }
})

function agrees(found: number, expected: number | undefined, what: string): void {
  assert.ok(expected !== undefined && Math.abs(found - expected) <= tolerance * Math.abs(expected), `${what}: ${found}, SciPy says ${expected}`)
}
