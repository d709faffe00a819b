import type { Mutation } from '../parts/mutation.ts'
import type { NamedTest } from './named-test.ts'

/** What stops a threat, or a part of it, and the source without it. `name`: what it is. */
export interface Defence extends Mutation {
  /** Id of its row in THREATS.md. */
  row: string
  /** What must fail without it, where that is another test than the row's. */
  test?: NamedTest
}
