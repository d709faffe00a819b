import { readFileSync } from 'node:fs'

/** Texts of sources, each in the place of another: a mistake that was put in, or a defence that was taken out. */
export interface Mutation {
  name: string
  changes: readonly Change[]
}

/** `file`: from the checkout's root. `find` stands in it exactly once. */
export interface Change { file: string; find: string; put: string }

const checkout = new URL('../../', import.meta.url)

/** The sources as they would be with that mutation in them, by their URL below `root`, a folder's URL. Throws when a text is not there exactly once. */
export function mutatedSources({ name, changes }: Mutation, root: URL = checkout): Map<string, string> {
  const sources = new Map<string, string>()
  for (const { file, find, put } of changes) {
    const url = new URL(file, root)
    const source = sources.get(url.href) ?? readFileSync(url, 'utf8')
    const places = source.split(find).length - 1
    if (places !== 1) throw new Error(`the mutation "${name}" does not fit ${file} any more: its text is there ${places} times; write it anew`)
    sources.set(url.href, source.replace(find, () => put))
  }
  return sources
}
