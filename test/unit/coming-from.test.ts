import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseExperiments, renderProblem } from '#shared/experiment-file.ts'
import { faultKinds } from '#shared/registry.ts'

const guide = readFileSync(new URL('../../docs/coming-from.md', import.meta.url), 'utf8')

test('the experiment of the guide for users of other tools is one', () => {
  const [block] = /(?<=```yaml\n)[^`]+/.exec(guide) ?? assert.fail('it has none')
  const { experiments, problems } = parseExperiments(block, 'coming-from.md')
  assert.deepEqual(problems.map(renderProblem), [])
  assert.equal(experiments.length, 1)
})

test('every fault that the guide translates to is in the catalogue', () => {
  const [section = ''] = /(?<=\n## Chaos Mesh\n)[^]*?(?=\n## )/.exec(guide) ?? []
  const named = section.split('\n').slice(4, 10).flatMap(row => [...(row.split('|')[2] ?? '').matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(([, kind = '']) => kind))
  assert.ok(named.length >= 9, named.join())
  assert.deepEqual(named.filter(kind => !faultKinds.has(kind)), [])
})
