import { CommanderError, type Command } from 'commander'
import { FaultlineError, messageOf } from '#shared/errors.ts'

/** Runs a command line made with `exitOverride()`; what goes wrong is told on standard error, and becomes the exit code. */
export async function runProgram(program: Command): Promise<void> {
  try {
    await program.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 3
      if (error.code === 'commander.missingArgument') process.stderr.write(takenByOption(program, process.argv.slice(2)))
    } else {
      console.error(error instanceof FaultlineError ? `${error.name}: ${error.message}` : error instanceof Error ? error.stack : messageOf(error))
      process.exitCode = error instanceof FaultlineError ? error.exitCode : 4
    }
  }
}

/** Why an argument is missing that was given, as it seems: an option with several values takes every word after it. A line, or nothing. Pure. */
function takenByOption(program: Command, argv: readonly string[]): string {
  const options = program.commands.find(command => command.name() === argv[0])?.options ?? []
  const taker = options.find(({ variadic, long }) => variadic && argv.some((word, index) => word === long && argv[index + 2]?.startsWith('-') === false))
  return taker ? `(${taker.long} takes every word after it: name the file before it)\n` : ''
}
