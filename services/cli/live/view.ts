import type { StoredFact } from '#shared/events.ts'
import type { Judgement } from '#shared/verdict.ts'

/** What shows a run while it goes on. `end`: with all that came of it, when it was judged. */
export interface View {
  show(stored: StoredFact): void
  end(judgement?: Judgement): void
}
