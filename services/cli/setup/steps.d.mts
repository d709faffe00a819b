/** Something set-up provides. */
export interface Step {
  readonly name: string
  /** What does not work without it; set-up fails unless it is tests alone. */
  readonly neededFor: 'everything' | 'demo' | 'tests'
  /** Quick: what is there already, or undefined. */
  present(): string | undefined
  provide(say: (doing: string) => void): Promise<void>
}

/** What set-up sees to, in order. */
export const steps: readonly Step[]
