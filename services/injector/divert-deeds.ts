import type { Step } from '#shared/fault.ts'
import type { BoundProcess } from '#shared/target.ts'
import { startWorkers, stillThere } from './fault-workers.ts'
import type { Undo } from './journal.ts'
import { addTable, deleteTable, renewTable, tableFor } from './network-deeds.ts'
import { launcherOf } from './network-namespace.ts'
import { endProcesses, print, requireProcess } from './process-deeds.ts'
import type { Seen, StepInHand } from './step-in-hand.ts'

/** A program in the target's network namespace, and then rules that lead packets to it. The rules end in the kernel; the program knows its end. */
export function prepareDivert(step: Step & { do: 'divert' }, target: BoundProcess, id: string): StepInHand {
  const table = tableFor(step, target, id)
  return {
    undo: { undo: 'end-diversion', table, processes: [] },
    async act(context) {
      requireProcess(target)
      const { program, ...settings } = step.to
      const { processes, ports } = await startWorkers({ program, settings, count: 1, target, launcher: launcherOf(table) }, {
        ...context, record: undo => { if (undo.undo === 'end') context.record({ undo: 'end-diversion', table, processes: undo.processes }) },
      })
      const seen = await addTable(table, step, context.requireTimeLeft(), ports)
      const alive = stillThere(processes)
      return { verified: seen.verified && alive.length === processes.length, readBack: [...alive.map(entry => `${print(entry)} serves on ${ports.join(', ')}`), ...seen.readBack] }
    },
    renew: remainingMs => renewTable(table, step, remainingMs),
  }
}

/** The rules first, so that nothing new is led to a program that ends. Repeatable. */
export async function endDiversion({ table, processes }: Undo & { undo: 'end-diversion' }): Promise<Seen> {
  const rules = await deleteTable(table)
  const ended = await endProcesses({ undo: 'end', processes })
  return { verified: rules.verified && ended.verified, readBack: [...rules.readBack, ...ended.readBack] }
}
