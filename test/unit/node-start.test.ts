import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { compileCache } from '#shared/compile-cache.ts'
import { agentEnvironment, agentFlags } from '../../services/injector/node-flags.ts'
import { temporaryFolder } from '../parts/child.ts'

const reverter = fileURLToPath(new URL('../../services/injector/reverter.ts', import.meta.url))

function inFolder(use: (folder: string) => void): void {
  using folder = temporaryFolder('node-start')
  use(folder.path)
}

test('the agent of a node is started with the same flags and environment in Kubernetes as here', () => {
  const manifest = readFileSync(new URL('../../k8s/base/injector.yaml', import.meta.url), 'utf8')
  const daemonSet = parseAllDocuments(manifest).map(document => document.toJS() as { kind: string; spec: { template: { spec: { containers: { args: string[]; env: { name: string; value?: string }[] }[] } } } }).find(({ kind }) => kind === 'DaemonSet')
  const [container] = daemonSet?.spec.template.spec.containers ?? []
  assert.deepEqual(container?.args, [...agentFlags, 'services/injector/main.ts'])
  for (const [name, value] of Object.entries(agentEnvironment)) assert.equal(container?.env.find(each => each.name === name)?.value, value, name)
  assert.equal(execFileSync(process.execPath, [...agentFlags, '--eval', 'console.log(1)'], { encoding: 'utf8' }), '1\n', 'this Node.js knows them')
})

test('a compile cache is used where this user alone can write it, and nowhere else', () => inFolder(folder => {
  const at = (name: string) => join(folder, name)
  assert.deepEqual(compileCache({}, at('made')), { NODE_COMPILE_CACHE: at('made') })
  assert.equal(statSync(at('made')).mode & 0o777, 0o700)
  mkdirSync(at('shared'))
  chmodSync(at('shared'), 0o770)
  assert.deepEqual(compileCache({}, at('shared')), {}, 'the group could write our code')
  symlinkSync(at('made'), at('link'))
  assert.deepEqual(compileCache({}, at('link')), {}, 'a link leads where somebody else decides')
  writeFileSync(at('file'), '')
  assert.deepEqual(compileCache({}, join(at('file'), 'below')), {}, 'no folder can be made there')
  assert.deepEqual(compileCache({ NODE_COMPILE_CACHE: '/of/the/user' }, at('made')), {})
  assert.deepEqual(compileCache({ NODE_V8_COVERAGE: '/coverage' }, at('made')), {})
}))

test('a spoilt compile cache costs time and nothing else: the program does what it did', () => inFolder(folder => {
  const cache = join(folder, 'cache')
  const run = () => execFileSync(process.execPath, [reverter, folder], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 30_000, env: { ...process.env, ...compileCache({}, cache) }, encoding: 'utf8' })
  assert.equal(run(), '')
  const [version = ''] = readdirSync(cache)
  const entries = readdirSync(join(cache, version))
  assert.ok(entries.length > 10, 'it was filled')
  for (const entry of entries) execFileSync('truncate', ['--size=40', join(cache, version, entry)])
  assert.equal(run(), '')
}))
