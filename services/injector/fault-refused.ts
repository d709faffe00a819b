import { FaultlineError } from '#shared/errors.ts'

/** The fault was not done, and why; the text says what the operator can do about it. */
export class FaultRefused extends FaultlineError {
  readonly code = 'fault_refused'
}
