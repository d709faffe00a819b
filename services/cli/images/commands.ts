import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { FaultlineError, messageOf } from '#shared/errors.ts'

/** A program that was called upon has failed; what it said is on standard error. */
export class CommandFailed extends FaultlineError {
  readonly code = 'command_failed'
}

/** Runs a command to its end; what it prints goes to standard error, where progress belongs. */
export async function runVisibly(command: readonly string[]): Promise<void> {
  const how = await endOf(command, ['ignore', 2, 2])
  if (how !== 0) throw new CommandFailed(`${command.join(' ')} ended with ${how}; what it said stands above`)
}

/** Whether a command ends with 0. */
export async function works(command: readonly string[]): Promise<boolean> {
  return await endOf(command, 'ignore').catch(() => 1) === 0
}

async function endOf([program = '', ...args]: readonly string[], stdio: 'ignore' | ['ignore', number, number]): Promise<number | string> {
  const child = spawn(program, args, { stdio })
  try {
    await once(child, 'exit')
  } catch (cause) {
    throw new CommandFailed(`${program} could not be started: ${messageOf(cause)}; install it, or choose another way (--help)`, { cause })
  }
  return child.exitCode ?? child.signalCode ?? 'no exit code'
}
