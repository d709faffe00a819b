import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { experimentsFolder, experimentsToTry, renderShopHint } from '../../services/cli/shop-experiments.ts'

const local = fileURLToPath(new URL(`../../${experimentsFolder}`, import.meta.url))
const addresses = { url: 'http://127.0.0.1:8123', allow: ['shop=11', 'database=12'], scrape: ['127.0.0.1:9101', '127.0.0.1:9102'], endpointsFolder: '/tmp/session/endpoints' }

test('the shop tells of every experiment that there is with what it asks, and gives one command that serves them all', async () => {
  const experiments = await experimentsToTry(local)
  const hint = renderShopHint(addresses, experiments)
  for (const file of ['cpu-burn', 'database-pause', 'database-stall', 'network-loss', 'redis-pause', 'slo-burn', 'worker-kill-evidence', 'worker-kill']) {
    assert.match(hint, new RegExp(`^  ${file}\\.yaml +\\S.*\\s`, 'm'))
  }
  assert.match(hint, /^  redis-pause\.yaml +Most pages are served without the cache$/m)
  assert.doesNotMatch(hint, /is not valid/)
  assert.deepEqual(hint.match(/npx faultline run .*/g), [`npx faultline run ${experimentsFolder}/worker-kill.yaml \\`])
  assert.ok(experiments.some(({ file }) => file === 'worker-kill.yaml'), 'the file of the command is there')
  assert.match(hint, /--host http:\/\/127\.0\.0\.1:8123 --allow shop=11 database=12 --scrape 127\.0\.0\.1:9101 127\.0\.0\.1:9102 \\\n {4}--endpoints \/tmp\/session\/endpoints\n/)
})

test('a file that is no experiment is told as such, and hides no other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'faultline-to-try-'))
  try {
    await writeFile(join(folder, 'b.yaml'), 'kind: Experiment\n')
    await writeFile(join(folder, 'notes.txt'), 'not YAML')
    await writeFile(join(folder, 'a.yaml'), ['first', 'second'].map(name => JSON.stringify({
      apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name }, ...(name === 'first' && { description: 'Is it up?' }),
      faults: [], hold: '1m', gates: [{ name: 'up', promql: { query: 'up', min: 1 } }],
    })).join('\n---\n'))
    const experiments = await experimentsToTry(folder)
    assert.deepEqual(experiments, [{ file: 'a.yaml', asks: ['Is it up?', 'second'] }, { file: 'b.yaml', asks: ['is not valid; npx faultline validate says why'] }])
    assert.match(renderShopHint(addresses, experiments), /^  a\.yaml  Is it up\?\n          second\n  b\.yaml  is not valid/m)
  } finally {
    await rm(folder, { recursive: true })
  }
})
