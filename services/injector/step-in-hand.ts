import type { Lease, Undo } from './journal.ts'
import type { ProcessId } from '#shared/process/process-table.ts'

/** One step on one target, ready to be done. Making it has changed nothing. */
export interface StepInHand {
  /** Journaled before the act. */
  undo: Undo
  act(context: ActContext): Promise<Seen>
  /** Only for steps that the kernel ends. Zero or less is over already. */
  renew?(remainingMs: number): Promise<'renewed' | 'lapsed'>
}

export interface ActContext {
  folder: string
  id: string
  lease: Lease
  reverter: ProcessId | undefined
  /**
   * What is left of the fault, milliseconds. Throws FaultRefused when it is over: an agent that was stopped for a while goes on in the middle of a step, when
   * whatever ends the fault has done so and is gone. So it is asked right before each deed, with nothing awaited in between.
   */
  requireTimeLeft(): number
  /** Journals a better undo; it is on disk when this returns. */
  record(undo: Undo): void
  /** Takes a process out of what would end it together with this agent. Undefined: it is out already. */
  shelter: ((process: ProcessId) => Promise<void>) | undefined
  /** What the fault consists of has ended before it was to. */
  onEndedEarly(): void
}

/** What was read back: from the kernel, never from what was asked of it. */
export interface Seen { verified: boolean; readBack: string[] }
