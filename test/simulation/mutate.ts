import { registerHooks } from 'node:module'
import { mutatedSources, type Mutation } from '../parts/mutation.ts'

/** Has whatever this thread loads from now on see the mutated sources. Throws as they do. */
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
