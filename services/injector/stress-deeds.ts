import { readFileSync } from 'node:fs'
import type { MemorySize, Step } from '#shared/fault.ts'
import { findProcess, type ProcessEntry } from '#shared/process/process-table.ts'
import type { BoundProcess } from '#shared/target.ts'
import { findOnSystem } from '#shared/tools.mjs'
import { FaultRefused } from './fault-refused.ts'
import { startWorkers, stillThere } from './fault-workers.ts'
import { joinCgroups, memoryLimit, memoryUsage } from './pod-cgroup.ts'
import { allowedCpus, print, requireProcess, until } from './process-deeds.ts'
import type { StepInHand } from './step-in-hand.ts'

const patienceMs = { burn: 3_000, hold: 20_000 } as const
const busyTicks = 3 // one tick is 10 ms
/** Counted, and limited, in the target's own name. cpuset says which processors. */
const cpuControllers = ['cpu', 'cpuacct', 'cpuset']

/** Busy processes on the processors of the target; `inside`: in its cgroups, so that its limit holds for them, and their time counts as its own. */
export function prepareBurn({ workers, loadPercent, inside }: Step & { do: 'burn-cpu' }, target: BoundProcess): StepInHand {
  requireProcess(target)
  return {
    undo: { undo: 'end', processes: [] },
    async act(context) {
      requireProcess(target)
      const taskset = findOnSystem('taskset')
      const { processes: found } = await startWorkers({
        program: 'burner', settings: loadPercent, count: workers, target,
        launcher: taskset === undefined ? [] : [taskset, '-c', allowedCpus(target.pid)],
        ...(inside && { place: pid => joinCgroups(pid, target.pid, cpuControllers) }),
      }, context)
      const burnt = (entry: ProcessEntry) => entry.cpuTicks - (found.find(({ pid }) => pid === entry.pid)?.cpuTicks ?? 0) // starting up was over when they began
      const now = await until(patienceMs.burn, () => stillThere(found), entries => entries.filter(entry => burnt(entry) >= busyTicks).length === workers)
      return { verified: now.length === workers && now.every(entry => burnt(entry) > 0), readBack: now.map(entry => `${print(entry)} burnt ${burnt(entry) * 10} ms${inside ? ` in the cgroup of ${target.pid}` : ''}`) }
    },
  }
}

/** One process in the memory cgroup of the target, which holds so many bytes. Its own memory (Node's) stays charged to where it was started. */
export function prepareHold({ size }: Step & { do: 'hold-memory' }, target: BoundProcess): StepInHand {
  requireProcess(target)
  const bytes = heldBytes(size, target)
  return {
    undo: { undo: 'end', processes: [] },
    async act(context) {
      requireProcess(target)
      const before = memoryUsage(target.pid)
      const { processes } = await startWorkers({
        program: 'memory-holder', settings: bytes, count: 1, target, launcher: [], place: pid => joinCgroups(pid, target.pid, ['memory']),
      }, context)
      const isHeld = () => processes.some(({ pid }) => residentBytes(pid) >= bytes)
      await until(patienceMs.hold, () => isHeld() || stillThere(processes).length === 0, isOver => isOver)
      const verified = isHeld() && processes.every(findProcess)
      const charged = memoryUsage(target.pid)
      return { verified, readBack: processes.map(entry => verified
        ? `${print(entry)} holds ${bytes} bytes; the cgroup of ${target.pid} went from ${before} to ${charged}`
        : `${print(entry)} does not hold ${bytes} bytes${findProcess(entry) ? ` within ${patienceMs.hold / 1_000} s` : ': it has ended, most likely killed by the kernel at the limit'}`) }
    },
  }
}

/** Throws FaultRefused where a share is asked for and there is no limit. */
export function heldBytes(size: MemorySize, target: BoundProcess): number {
  if ('bytes' in size) return size.bytes
  const limit = memoryLimit(target.pid)
  if (limit === undefined) throw new FaultRefused(`${target.id} has no memory limit, so ${size.percentOfLimit} % of it is no size; give one such as 256Mi`)
  return Math.floor(limit * size.percentOfLimit / 100)
}

/** proc_pid_status(5): VmRSS; 0 when it has ended. */
function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024
  } catch {
    return 0
  }
}
