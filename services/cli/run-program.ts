import { CommanderError, type Command } from 'commander'
import { FaultlineError, messageOf } from '#shared/errors.ts'

/** Runs a command line made with `exitOverride()`; what goes wrong is told on standard error, and becomes the exit code. */
export async function runProgram(program: Command): Promise<void> {
  try {
    await program.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 3
    else {
      console.error(error instanceof FaultlineError ? `${error.name}: ${error.message}` : error instanceof Error ? error.stack : messageOf(error))
      process.exitCode = error instanceof FaultlineError ? error.exitCode : 4
    }
  }
}
