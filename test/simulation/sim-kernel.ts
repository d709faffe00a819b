import type { ProcessEntry, ProcessId } from '#shared/process/process-table.ts'

/** A process of the system under test. `stoppedBy`: the fault (its id on this agent) that stopped it last. */
export interface Task extends ProcessEntry { command: string; pod?: string; stoppedBy?: string }

/** Rules under a lease, as nftables keeps them: they stay, and match nothing once the time of the set's element is over. */
interface Table { fault: string; task: ProcessId; endsMs: number }

/** One target that has a fault now. `fault`: its id on this agent. */
export interface InForce { fault: string; target: string; deed: 'stopped' | 'cut off' }

/**
 * What of a machine's kernel faults are made of: processes with their PIDs, and rules that end by the kernel's own time. It belongs to no agent, so
 * it is also where the truth is read: what is in force, whoever believes what.
 */
export class Kernel {
  readonly tasks = new Map<number, Task>()
  readonly #tables = new Map<string, Table>()
  readonly #clock: () => number
  #ticks = 100
  #nextPid = 1_000

  /** `clock`: monotonic milliseconds. */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** `pid`: one that is free again, as a kernel gives them out anew. */
  start(command: string, { parent = 1, pid = this.#nextPid++, pod }: { parent?: number; pid?: number; pod?: string } = {}): Task {
    this.#ticks += 7
    const task: Task = { pid, startTicks: this.#ticks, parent, group: pid, session: pid, state: 'S', name: command.slice(0, 15), isKernelThread: false, cpuTicks: 0, command, ...(pod !== undefined && { pod }) }
    this.tasks.set(pid, task)
    return task
  }

  find({ pid, startTicks }: ProcessId): Task | undefined {
    const task = this.tasks.get(pid)
    return task?.startTicks === startTicks ? task : undefined
  }

  /** SIGKILL by PID, as kill(2) has it: whoever has that number now. */
  kill(pid: number): void {
    this.tasks.delete(pid)
  }

  signal(pid: number, signal: 'SIGSTOP' | 'SIGCONT', by: string): void {
    const task = this.tasks.get(pid)
    if (!task) return
    task.state = signal === 'SIGSTOP' ? 'T' : 'S'
    if (signal === 'SIGSTOP') task.stoppedBy = by
    else delete task.stoppedBy
  }

  addTable(name: string, fault: string, task: ProcessId, remainingMs: number): void {
    this.#tables.set(name, { fault, task, endsMs: this.#clock() + remainingMs })
  }

  /** Deleting and adding its element in one transaction, which fails when it has timed out. */
  renewTable(name: string, remainingMs: number): boolean {
    const table = this.#tables.get(name)
    if (!table || table.endsMs <= this.#clock()) return false
    table.endsMs = this.#clock() + remainingMs
    return true
  }

  hasTable(name: string): boolean {
    return this.#tables.has(name)
  }

  deleteTable(name: string): void {
    this.#tables.delete(name)
  }

  inForce(): InForce[] {
    if (this.#tables.size === 0 && ![...this.tasks.values()].some(({ stoppedBy }) => stoppedBy !== undefined)) return []
    const stopped = [...this.tasks.values()].flatMap((task): InForce[] => task.stoppedBy === undefined ? [] : [{ fault: task.stoppedBy, target: targetOf(task), deed: 'stopped' }])
    const cutOff = [...this.#tables.values()].flatMap(({ fault, task: id, endsMs }): InForce[] => {
      const task = this.find(id)
      return task && endsMs > this.#clock() ? [{ fault, target: targetOf(task), deed: 'cut off' }] : []
    })
    return [...stopped, ...cutOff]
  }

  /** Tables that are there still, lapsed or not. */
  leftovers(): string[] {
    return [...this.#tables.keys()]
  }
}

/** As a bound target is called (shared/target.ts). */
export const targetOf = ({ pod, pid, startTicks }: Task): string => pod === undefined ? `process:${pid}:${startTicks}` : `pod:${pod}`
