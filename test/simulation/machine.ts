import type { Clock } from '#shared/clock.ts'
import { Disk } from './sim-disk.ts'
import { Kernel } from './sim-kernel.ts'
import { Process, type World } from './world.ts'

/** When the simulation's world begins: Unix epoch, milliseconds. */
export const beginMs = Date.UTC(2026, 0, 1)

/** A machine with a clock, a disk, a kernel, and a line to everybody else that can be cut. */
export class Machine {
  readonly name: string
  readonly world: World
  readonly disk = new Disk()
  kernel: Kernel
  boot = 1
  hasPower = true
  isCutOff = false
  /** How far its clock is ahead of the true time. */
  aheadMs = 0
  /** Undoing fails: the kernel refuses. */
  refusesUndo = false
  /** Since when a halt file is on it, which outlives its power. */
  haltedSinceMs: number | undefined
  readonly processes = new Set<Process>()
  #bootedAtMs = -100_000

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
    this.kernel = new Kernel(() => this.monotonicMs())
  }

  get bootId(): string { return `${this.name}-boot-${this.boot}` }

  readonly clock: Clock = { nowMs: () => this.wallMs(), monotonicMs: () => this.monotonicMs() }

  wallMs(): number { return beginMs + this.world.nowMs + this.aheadMs }

  monotonicMs(): number { return this.world.nowMs - this.#bootedAtMs }

  /** `begin` is the first that it does, by itself. */
  start(name: string, begin: (process: Process) => void): Process {
    const process = new Process(this.world, `${name}@${this.name}`)
    this.processes.add(process)
    process.onEnd(() => this.processes.delete(process))
    this.world.after(0, process, () => begin(process))
    return process
  }

  /** Everything that runs on it is gone, and so is what was not on the disk. Its kernel starts anew. */
  losePower(): void {
    this.hasPower = false
    for (const process of this.processes) process.end()
    this.disk.losePower()
    this.boot += 1
    this.#bootedAtMs = this.world.nowMs
    this.kernel = new Kernel(() => this.monotonicMs())
  }
}
