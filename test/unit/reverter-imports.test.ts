import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const reverter = new URL('../../services/injector/reverter.ts', import.meta.url)

/** What a file imports as it is loaded; what it imports as types, or only when it is needed, costs nothing then. */
const importsOf = (source: string): string[] => [...source.matchAll(/^import (?!type )(?:[^']* from )?'([^']+)'/gm)].flatMap(([, found]) => found ?? [])

function loadedBy(file: URL, loaded = new Map<string, string>()): Map<string, string> {
  if (loaded.has(file.href)) return loaded
  const source = readFileSync(file, 'utf8')
  loaded.set(file.href, source)
  for (const found of importsOf(source)) {
    if (found.startsWith('.')) loadedBy(new URL(found, file), loaded)
    if (found.startsWith('#shared/')) loadedBy(new URL(`../../shared/${found.slice('#shared/'.length)}`, import.meta.url), loaded)
  }
  return loaded
}

test('a reverter, which every fault that lasts waits for, loads no package, only files of its own and Node.js', () => {
  const loaded = loadedBy(reverter)
  assert.ok([...loaded.keys()].some(file => file.endsWith('/process-deeds.ts')), 'the walk finds what undoes a pause')
  const packages = [...loaded].flatMap(([file, source]) => importsOf(source).filter(found => !/^(?:\.|#shared\/|node:)/.test(found)).map(found => `${fileURLToPath(file)}: ${found}`))
  assert.deepEqual(packages, [])
})
