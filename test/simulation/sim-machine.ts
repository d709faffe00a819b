import type { JournalEntry, Undo } from '../../services/injector/journal.ts'
import type { Machine as WorkMachine } from '../../services/injector/fault-work.ts'
import { FaultRefused } from '../../services/injector/fault-refused.ts'
import { reverterLife } from '../../services/injector/reverter-life.ts'
import type { Observation } from '../../services/injector/core.ts'
import type { Chance } from './chance.ts'
import type { Machine } from './machine.ts'
import { journalOn } from './sim-disk.ts'
import type { Process } from './world.ts'

/** What fault-work.ts needs of a machine. The reverter that it starts is a process of its own, and lives the real life (reverter-life.ts). */
export function machineFor(machine: Machine, agent: Process, chance: Chance, { onRefused, reverters }: { onRefused: () => void; reverters: Set<Process> }): WorkMachine {
  const undoAs = (process: Process) => (entry: Pick<JournalEntry, 'undos' | 'bootId'>) => undo(machine, process, chance, entry, onRefused)
  return {
    bootId: machine.bootId,
    undoEntry: undoAs(agent),
    expectFaults: () => undefined, // how long a start takes is chance's, below
    stop: () => undefined,
    async armReverter(id, onGone) {
      agent.step('start a reverter')
      const armed = Promise.withResolvers<boolean>()
      const reverter = machine.start(`reverter of ${id.slice(0, 6)}`, process => {
        const life = reverterLife({ id, journal: journalOn(machine.disk, process), clock: machine.clock, isTold: () => false, undo: undoAs(process) })
        machine.world.after(chance.int(10, 60), agent, () => armed.resolve(life.isArmed))
        if (life.isArmed) life.outlive().then(() => process.end(), () => process.end())
        else process.end()
      })
      reverters.add(reverter)
      reverter.onEnd(() => {
        reverters.delete(reverter)
        machine.world.after(1, agent, onGone)
      })
      if (!await armed.promise) throw new FaultRefused(`the reverter of ${id} did not come up, so nothing was done`)
      return { pid: 1, startTicks: 1 }
    },
  }
}

/** Mirrors undo.ts, and the readings back of process-deeds.ts and network-deeds.ts, over the simulated kernel. */
async function undo(machine: Machine, process: Process, chance: Chance, { undos, bootId }: Pick<JournalEntry, 'undos' | 'bootId'>, onRefused: () => void): Promise<Observation> {
  const readBack: string[] = []
  let verified = true
  for (const each of undos.toReversed()) {
    await machine.world.pass(chance.int(1, 25))
    process.step(`undo: ${each.undo}`)
    if (machine.refusesUndo && bootId === machine.bootId) {
      onRefused()
      verified = false
    } else if (bootId === machine.bootId) undoOne(machine, each)
    readBack.push(bootId === machine.bootId ? `${each.undo}: ${verified ? 'gone' : 'refused'}` : 'the machine has been started again since')
  }
  return { verified, readBack, atMs: machine.wallMs() }
}

function undoOne({ kernel }: Machine, undo: Undo): void {
  switch (undo.undo) {
    case 'continue':
      for (const id of undo.processes) if (kernel.find(id)?.state === 'T') kernel.signal(id.pid, 'SIGCONT', '')
      return
    case 'delete-table': return kernel.deleteTable(undo.table)
    case 'nothing': return
    default: throw new Error(`${undo.undo} is not simulated`)
  }
}
