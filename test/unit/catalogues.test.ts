import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { printGates } from '../../services/cli/gates.ts'
import { printSteps } from '../../services/cli/steps.ts'

interface Printed { kind: string; summary: string; documentation: string; parameters: { properties: Record<string, { description?: string }> } }

const catalogues = [
  { of: 'gates', print: printGates, folder: new URL('../../shared/gates/', import.meta.url), besides: [], some: 'errorRate', key: 'max', told: /users\nsend nothing else/, refused: /no gate is called uptime; there are availability, burnRate, errorRate, / },
  { of: 'steps', print: printSteps, folder: new URL('../../services/cli/campaign/steps/', import.meta.url), besides: ['parallel'], some: 'hpa-watch', key: 'autoscaler', told: /API server's audit log says/, refused: /no step is called uptime; there are clean-up, deploy, .*, parallel$/ },
] as const

for (const { of, print, folder, besides, some, key, told, refused } of catalogues) {
  test(`the catalogue of ${of} has every kind with each of its keys, and one of them in full`, () => {
    const all = JSON.parse(print(undefined, true)) as Printed[]
    assert.equal(all.length, readdirSync(folder).length + besides.length)
    const text = print(undefined, false)
    for (const { kind, summary, documentation, parameters } of all) {
      const heading = text.split('\n').find(line => line.startsWith(`${kind} `)) ?? assert.fail(`no line for ${kind}`)
      assert.ok(heading.includes(summary))
      for (const [name, { description = assert.fail(`${kind} does not say what ${name} is`) }] of Object.entries(parameters.properties)) {
        assert.ok(print(kind, false).split('\n').some(line => line.startsWith(`    ${name} `) && line.endsWith(description)), `${kind} does not print ${name}`)
      }
      assert.ok(print(kind, false).includes(documentation), `${kind} is not shown in full`)
    }
    assert.match(text, new RegExp(`^    ${key} +\\S`, 'm'))
    assert.match(print(some, false), told)
    assert.doesNotMatch(text, told)
    assert.deepEqual((JSON.parse(print(some, true)) as Printed[]).map(({ kind }) => kind), [some])
    assert.throws(() => print('uptime', false), refused)
  })
}

test('a gate says where it can be read from, and a step what every step takes and how long it may', () => {
  assert.match(printGates('errorRate', false), /^    read from +stream or prometheus$/m)
  assert.match(printSteps('deploy', false), /^deploy .*\(10m at most, unless timeout says otherwise\)$/m)
  assert.match(printSteps('deploy', false), /as every step:\n    name +Names the step/)
  assert.doesNotMatch(printSteps('parallel', false), /as every step/)
})
