import type { ProcessId } from '#shared/process/process-table.ts'
import type { Chance } from './chance.ts'
import type { Machine } from './machine.ts'
import type { Task } from './sim-kernel.ts'

export interface Pod { uid: string; name: string; machine: Machine; task: ProcessId; bornAtMs: number }

/** How the system under test takes it: `hurt` is the share of requests that fail while anything is done to it, and `healsMs` how long that lasts afterwards. */
export interface Constitution { hurt: number; healsMs: number }

export const namespace = 'shop'
export const workerCommand = 'shop: worker'
const restartMs = { from: 300, to: 1_200 } as const

/**
 * The system under test: on one machine a tree of processes below a declared one, or pods on nodes. Beside it live processes that look the same and have
 * not opted in. Whoever dies is started again, as a supervisor would; its PID may meanwhile belong to a stranger.
 */
export class Subject {
  readonly constitution: Constitution
  readonly pods = new Map<string, Pod>()
  /** Each time that a process is started again, a stranger has its old PID. */
  recyclesPids = false
  /** Called when it has happened. */
  onRecycled: (() => void) | undefined
  /** Bad by itself, with nothing done to it. */
  isSick = false
  onSick: (() => void) | undefined
  everFailed = false
  /** What share failed, whenever somebody looked. */
  readonly history: { atMs: number; share: number }[] = []
  parent: Task | undefined
  #home: Machine | undefined
  readonly #chance: Chance
  #hurtUntilMs = -1
  #born = 0

  constructor(constitution: Constitution, chance: Chance) {
    this.constitution = constitution
    this.#chance = chance
  }

  /** Processes of one machine: `count` of them, and strangers of the same command. */
  settleOn(machine: Machine, count: number): void {
    const parent = machine.kernel.start('shop: main')
    this.parent = parent
    this.#home = machine
    for (let index = 0; index < count; index++) machine.kernel.start(workerCommand, { parent: parent.pid })
    machine.kernel.start(workerCommand)
  }

  addPod(machine: Machine): Pod {
    this.#born += 1
    const uid = `uid-${this.#born}`
    const pod: Pod = { uid, name: `shop-${this.#born}`, machine, task: machine.kernel.start(workerCommand, { pod: uid }), bornAtMs: machine.world.nowMs }
    this.pods.set(uid, pod)
    return pod
  }

  /** Whether the operator has opted it in. */
  isOptedIn(machine: Machine, task: Task): boolean {
    if (task.pod !== undefined) return this.pods.has(task.pod)
    return this.parent !== undefined && machine.kernel.find(this.parent) !== undefined && task.parent === this.parent.pid
  }

  /** It dies, and its supervisor starts it again. */
  dies(machine: Machine, task: Task): void {
    const { world, boot } = machine
    machine.kernel.kill(task.pid)
    this.#hurtUntilMs = Math.max(this.#hurtUntilMs, world.nowMs + this.constitution.healsMs)
    if (this.recyclesPids) {
      machine.kernel.start('a stranger', { pid: task.pid })
      this.onRecycled?.()
    }
    if (task.pod !== undefined) this.pods.delete(task.pod)
    world.after(this.#chance.int(restartMs.from, restartMs.to), undefined, () => {
      if (machine.boot !== boot) return
      if (task.pod !== undefined) this.addPod(machine)
      else if (this.parent && machine.kernel.find(this.parent)) machine.kernel.start(workerCommand, { parent: this.parent.pid })
    })
  }

  /** Its machine has lost its power and is back. */
  comesBack(machine: Machine): void {
    const lost = [...this.pods.values()].filter(pod => pod.machine === machine)
    for (const { uid } of lost) this.pods.delete(uid)
    for (const _ of lost) this.addPod(machine)
    if (machine === this.#home) this.settleOn(machine, 3)
  }

  /** Which share of the requests fails now. */
  failing(machines: readonly Machine[]): number {
    const nowMs = machines[0]?.world.nowMs ?? 0
    if (machines.some(({ kernel }) => kernel.inForce().length > 0)) this.#hurtUntilMs = nowMs + this.constitution.healsMs
    const share = this.isSick ? 1 : nowMs <= this.#hurtUntilMs ? this.constitution.hurt : 0
    if (share > 0) this.everFailed = true
    if (this.isSick) this.onSick?.()
    this.history.push({ atMs: nowMs, share })
    return share
  }
}
