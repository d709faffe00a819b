/**
 * Every error a user can meet: one class per cause, a stable `code`, and the operator's next step in the text.
 * `exitCode` is what the command ends with: 1 failed, 2 inconclusive, 3 invalid input, 4 infrastructure.
 */
export abstract class FaultlineError extends Error {
  abstract readonly code: string
  readonly exitCode: 3 | 4 = 4

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
  }
}

/** Input that cannot be used: nothing was started and nothing changed. */
export abstract class InvalidInput extends FaultlineError {
  override readonly exitCode = 3
}

export class NatsUnreachable extends FaultlineError {
  readonly code = 'nats_unreachable'
}

export class FactNotStored extends FaultlineError {
  readonly code = 'fact_not_stored'
}

/** A fact that is written once is on record already, written by somebody else. Nothing was stored. */
export class FactAlreadyWritten extends FaultlineError {
  readonly code = 'fact_already_written'
}

export class CommandUnanswered extends FaultlineError {
  readonly code = 'command_unanswered'
}

export class MessageInvalid extends FaultlineError {
  readonly code = 'message_invalid'
}

/** More than NATS takes in one message. Nothing was sent. */
export class MessageTooLarge extends InvalidInput {
  readonly code = 'message_too_large'
}

/** What a caught value says, for logs and for messages that wrap it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
