import { z } from 'zod'

/**
 * What a fault is done to. Today: processes. `match` is looked for in the command lines of the processes that the operator has declared
 * (opted in) and of their descendants; of a match and its own descendants only the topmost counts. Never a bare name from the whole machine.
 */
export const targetSchema = z.strictObject({
  process: z.strictObject({
    match: z.string().min(2).max(200).describe('Text that the command line must contain, arguments joined by spaces'),
    parent: z.string().min(1).max(63).optional().describe('Name of the declared process to look at and under; all declared ones when left out'),
    pick: z.union([z.literal('one'), z.literal('all'), z.int().min(1).max(1_000)]).default('one')
      .describe('How many of the matching processes: one (chosen by the run\'s seed), all, or a number'),
  }),
})
export type TargetSpec = z.output<typeof targetSchema>

/** A target found, bound to what cannot be recycled: the PID together with its start time (proc_pid_stat(5), field 22) and the boot. */
export const boundTargetSchema = z.strictObject({
  /** Unique and stable for the thing's whole life: `process:<pid>:<start ticks>`. */
  id: z.string(),
  pid: z.int().positive(),
  startTicks: z.int().nonnegative(),
  description: z.string(),
})
export type BoundTarget = z.output<typeof boundTargetSchema>
