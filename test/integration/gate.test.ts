import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { runFaultline } from '../parts/faultline-command.ts'

const experiment = (value: number) => `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: stall}
faults:
  - {kind: pause, target: {process: {match: nobody-is-called-this}}, at: 2s, duration: 10m}
gates:
  - {name: calm, phase: steady, promql: {query: 'vector(${value})', max: 1}}
  - {name: again, phase: recovery, promql: {query: 'vector(1)', max: 1}}
`
const judgementSchema = z.looseObject({ run: z.string(), experiment: z.string(), verdict: z.string(), gates: z.array(z.looseObject({ name: z.string(), phase: z.string(), evidence: z.string(), looks: z.array(z.unknown()) })), faults: z.array(z.unknown()) })

test('a gate judges the objectives alone: it passes when its time is over, fails at the first breach, touches nothing, and needs no --allow', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gate-'))
  const file = join(folder, 'experiment.yaml')
  const gate = async (value: number, ...args: string[]) => {
    writeFileSync(file, experiment(value))
    const { code, out, err } = await runFaultline(['gate', file, '--results', join(folder, 'results'), '--json', ...args], { temporary: folder })
    return { code, err, judgement: judgementSchema.safeParse(out.startsWith('{') ? JSON.parse(out) : undefined).data }
  }
  try {
    const passed = await gate(1, '--for', '4s')
    assert.equal(passed.code, 0, passed.err)
    assert.deepEqual([passed.judgement?.experiment, passed.judgement?.verdict, passed.judgement?.faults], ['stall-gate', 'passed', []])
    assert.deepEqual(passed.judgement?.gates.map(({ name, phase, looks }) => [name, phase, looks.length]), [['calm', 'during', 4]])
    assert.match(passed.err, /^note: stall: judged for the whole time, not only at its begin: calm\nnote: stall: left out, since there is nothing to recover from: again$/m)

    const breached = await gate(2, '--for', '10m')
    assert.deepEqual([breached.code, breached.judgement?.verdict], [1, 'failed'], breached.err)
    assert.match(breached.judgement?.gates[0]?.evidence ?? '', /broken in 2 looks in a row, 2000 ms into the phase/)

    const short = await gate(1, '--for', '1s')
    assert.match(short.err, /^warning: stall-gate can never pass: calm: the hold of 1s has room for one look/m)
    assert.deepEqual([short.code, short.judgement?.verdict], [2, 'inconclusive'])

    const events = readFileSync(join(folder, 'results', passed.judgement?.run ?? '', 'events.jsonl'), 'utf8')
    assert.doesNotMatch(events, /dev\.faultline\.fault\./)
    assert.deepEqual(await gate(1, '--for', '5').then(({ code, err }) => [code, /--for: expected a duration such as 250ms, 30s or 1m30s, found 5/.test(err)]), [3, true])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
