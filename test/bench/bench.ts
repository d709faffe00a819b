/** One thing that `npm run bench` measures: one file in this folder, named in main.ts. */
export interface Bench {
  name: string
  /** For --help. */
  summary: string
  /** Prints its tables, and gives the bars that were missed, in words. Leaves nothing, also when the signal aborts it. */
  run(context: BenchContext): Promise<string[]>
}

export interface BenchContext {
  /** How often what varies from one time to the next is measured. */
  runs: number
  /** `--cells`: the simulated cells of the gates. */
  cells: 'all' | 'quick'
  /** `--ways`: which ways of ending a breach are measured. */
  ways: (name: string) => boolean
  /** A line of the report. */
  print(line: string): void
  /** What is being done, for people who wait. */
  tell(doing: string): void
  /** Aborts at Ctrl-C. */
  signal: AbortSignal
}
