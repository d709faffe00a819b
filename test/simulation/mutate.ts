import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import type { Mutation } from './mutations.ts'

const root = new URL('../../', import.meta.url)

/** The sources as they would be with that mistake in them, by their URL. Throws when the text is not there exactly once. */
export function mutatedSources({ name, changes }: Mutation): Map<string, string> {
  const sources = new Map<string, string>()
  for (const { file, find, put } of changes) {
    const url = new URL(file, root)
    const source = sources.get(url.href) ?? readFileSync(url, 'utf8')
    const places = source.split(find).length - 1
    if (places !== 1) throw new Error(`the mutation "${name}" does not fit ${file} any more: its text is there ${places} times; write it anew (test/simulation/mutations.ts)`)
    sources.set(url.href, source.replace(find, () => put))
  }
  return sources
}

/** Has whatever this thread loads from now on see them. Throws as they do. */
export function mutate(mutation: Mutation): void {
  const sources = mutatedSources(mutation)
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      const source = sources.get(url)
      return source === undefined ? loaded : { ...loaded, source }
    },
  })
}
