/** Prints what a command has to say, and ends with its exit code: what is wrong with the input (3) goes to standard error, unless JSON was asked for. */
export function answer({ exitCode, output }: { exitCode: number; output: string }, { json = false }: { json?: boolean } = {}): void {
  const stream = exitCode === 3 && !json ? process.stderr : process.stdout
  stream.write(output)
  process.exitCode = exitCode
}
