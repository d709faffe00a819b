import { Chance } from './chance.ts'
import type { Disturbance, DisturbanceKind, Plan } from './plan.ts'
import type { Weather } from './sim-nats.ts'
import type { Machine } from './machine.ts'
import type { Simulation } from './simulation.ts'
import type { Role } from './roles.ts'

/** What is counted beside the disturbances themselves: those of them that meet what they are meant for, and that a plan's runs had to pass. */
export type Fired = DisturbanceKind | 'must pass' | 'fsync-lies' | 'leader paused beyond its lease' | 'agent paused beyond its lease' | 'agent crashed with a fault'

/** From one time to another something on this machine was stopped, dead, cut off or without news. */
export interface Spell { machine: string; fromMs: number; untilMs: number }

/** Each disturbance counts when it has really changed something: a lost message when one was lost, a full disk when it has refused a write. */
export class Chaos implements Weather {
  readonly fired = new Map<Fired, number>()
  readonly spells: Spell[] = []
  readonly #plan: Plan
  readonly #nowMs: () => number
  readonly #chances = new Map<Disturbance, Chance>()

  constructor(plan: Plan, nowMs: () => number) {
    this.#plan = plan
    this.#nowMs = nowMs
    for (const disturbance of plan.disturbances) this.#chances.set(disturbance, new Chance(plan.seed, numberOf(JSON.stringify(disturbance))))
  }

  count(what: Fired): void {
    this.fired.set(what, (this.fired.get(what) ?? 0) + 1)
  }

  /** From now on. */
  notThere({ name }: Machine, forMs: number): void {
    this.spells.push({ machine: name, fromMs: this.#nowMs(), untilMs: this.#nowMs() + forMs })
  }

  signal(): readonly number[] {
    if (this.#strikes('signals-lost')) return []
    const delayMs = this.#strikes('signals-delayed')?.int(50, 2_500) ?? 0
    const again = this.#strikes('signals-doubled')?.int(0, 1_500)
    const replayed = this.#strikes('signals-replayed')
    return [delayMs, ...again === undefined ? [] : [again], ...replayed ? [replayed.int(500, 2_500), replayed.int(2_000, 5_000), replayed.int(4_000, 9_000)] : []]
  }

  command(): readonly number[] {
    if (this.#strikes('commands-lost')) return []
    const delayed = this.#strikes('commands-delayed')
    const replayed = this.#strikes('commands-replayed')
    const delayMs = delayed?.int(100, delayed.pick([1_500, 4_800, 9_000])) ?? 0 // before and after their deadline, which is 5 s
    const again = replayed?.int(1, replayed.pick([1_500, 4_800, 4_800, 9_000]))
    return again === undefined ? [delayMs] : [delayMs, again]
  }

  losesAnswer(): boolean { return this.#strikes('answers-lost') !== undefined }
  losesAck(): boolean { return this.#strikes('acks-lost') !== undefined }

  stalls({ name }: Machine): boolean {
    const stalled = this.#now('follower-stalled').some(disturbance => 'where' in disturbance && disturbance.where === name)
    if (stalled) this.count('follower-stalled')
    return stalled
  }

  #now(is: DisturbanceKind): Disturbance[] {
    const nowMs = this.#nowMs()
    return this.#plan.disturbances.filter(disturbance => disturbance.is === is && 'fromMs' in disturbance && disturbance.fromMs <= nowMs && nowMs < disturbance.toMs)
  }

  /** Chance of its own for what it does to this message, when it does anything. */
  #strikes(is: DisturbanceKind): Chance | undefined {
    for (const disturbance of this.#now(is)) {
      const chance = this.#chances.get(disturbance)
      if (!chance || !('share' in disturbance) || !chance.happens(disturbance.share)) continue
      this.count(is)
      return chance
    }
    return undefined
  }
}

/** The same for the same text (FNV-1a): what is left out of a plan changes nothing for the rest of it. */
const numberOf = (text: string): number => Buffer.from(text).reduce((hash, byte) => Math.imul(hash ^ byte, 0x0100_0193), 0x811c_9dc5)

/** When the last of them is over. */
export const endOf = ({ disturbances }: Plan): number => Math.max(0, ...disturbances.map(disturbance =>
  'toMs' in disturbance ? disturbance.toMs : 'atMs' in disturbance ? disturbance.atMs + ('forMs' in disturbance ? disturbance.forMs : 0) : 0))

/** Has everything happen that the plan says, at its time. */
export function unleash(simulation: Simulation): void {
  const { world, plan } = simulation
  const underWay = new Map<string, number>()
  for (const disturbance of plan.disturbances) {
    if (disturbance.is === 'power-loss' && disturbance.fsyncLies) lie(simulation, disturbance.where, disturbance.atMs)
    if ('step' in disturbance) atStep(simulation, disturbance)
    else if ('moment' in disturbance) atMoment(simulation, disturbance)
    else if (disturbance.is === 'targets-recycled') recycleTargets(simulation, disturbance.where)
    else if ('fromMs' in disturbance) during(simulation, disturbance, underWay)
    else world.after(disturbance.atMs, undefined, () => once(simulation, disturbance))
  }
  simulation.nats.onBlocked = by => simulation.chaos.count(by)
  simulation.locust.onSilence = () => simulation.chaos.count('samples-lost')
  simulation.prometheus.onAway = () => simulation.chaos.count('prometheus-away')
  simulation.subject.onRecycled = () => simulation.chaos.count('pids-recycled')
  simulation.subject.onSick = () => simulation.chaos.count('subject-sick')
  for (const { disk } of simulation.machines.values()) disk.onFault = is => simulation.chaos.count(is)
}

/** The disk of this machine syncs nothing until its power is lost. */
function lie({ world, machines }: Simulation, where: string, untilMs: number): void {
  const disk = machines.get(where)?.disk
  if (!disk) return
  disk.lies = true
  world.after(untilMs, undefined, () => { world.after(0, undefined, () => { disk.lies = false }) }) // after the loss, which is at the same time
}

/** What has a beginning and an end; of two at once the later end counts. `underWay`: of each sort, and of each machine that has it, how many there are. */
function during({ world, chaos, nats, machines, locust, prometheus, subject }: Simulation, disturbance: Extract<Disturbance, { fromMs: number }>, underWay: Map<string, number>): void {
  const key = 'where' in disturbance ? `${disturbance.is} ${disturbance.where}` : disturbance.is
  const machine = 'where' in disturbance ? machines.get(disturbance.where) : undefined
  const set = (isOn: boolean) => {
    switch (disturbance.is) {
      case 'partition': if (machine) machine.isCutOff = isOn; return
      case 'disk-full': if (machine) machine.disk.isFull = isOn; return
      case 'undo-refused': if (machine) machine.refusesUndo = isOn; return
      case 'halt-file':
        if (!machine) return
        if (isOn && machine.haltedSinceMs === undefined && machine.kernel.inForce().length > 0) chaos.count('halt-file')
        machine.haltedSinceMs = isOn ? machine.haltedSinceMs ?? world.nowMs : undefined
        return
      case 'nats-down': nats.isDown = isOn; return
      case 'samples-lost': locust.isSilent = isOn; return
      case 'prometheus-away': prometheus.isAway = isOn; return
      case 'pids-recycled': subject.recyclesPids = isOn; return
      case 'subject-sick': subject.isSick = isOn
    }
  }
  const count = (change: 1 | -1) => {
    if (change === 1 && machine && (disturbance.is === 'partition' || disturbance.is === 'follower-stalled')) chaos.notThere(machine, disturbance.toMs - disturbance.fromMs)
    const left = (underWay.get(key) ?? 0) + change
    underWay.set(key, left)
    world.tell(`--- ${disturbance.is} ${change === 1 ? 'begins' : 'ends'}${left > 0 && change === -1 ? ', and another goes on' : ''}`)
    set(left > 0)
  }
  world.after(disturbance.fromMs, undefined, () => count(1))
  world.after(disturbance.toMs, undefined, () => count(-1))
}

function atStep(simulation: Simulation, disturbance: Extract<Disturbance, { step: number }>): void {
  const role = simulation.roles.get(disturbance.who)
  if (!role) return
  const before = role.onStep
  role.onStep = (now, what) => {
    before?.(now, what)
    if (now.steps !== disturbance.step) return
    simulation.chaos.count(disturbance.is)
    if (disturbance.is === 'crash-at-step') crash(simulation, role, disturbance.forMs)
    else pause(simulation, role, disturbance.forMs)
  }
}

function atMoment(simulation: Simulation, disturbance: Extract<Disturbance, { moment: string }>): void {
  const { is, who, moment, nth, forMs, afterMs = 0 } = disturbance
  const strike = is === 'crash-at-moment' ? crash : pause
  let times = 0
  for (const role of simulation.roles.values()) {
    if (role.name !== who && !(who === 'leader' && role.name.startsWith('scheduler-'))) continue
    const before = role.onStep
    role.onStep = (now, what) => {
      before?.(now, what)
      if (who === 'leader' && !leads(role)) return
      if (!what.startsWith(moment) || ++times !== nth) return
      simulation.chaos.count(is)
      simulation.world.tell(`--- ${afterMs > 0 ? `${afterMs} ms after` : 'as'} ${role.name} is about to ${what}:`)
      if (afterMs === 0) strike(simulation, role, forMs)
      else simulation.world.after(afterMs, undefined, () => strike(simulation, role, forMs))
    }
  }
}

const leads = ({ scheduler }: Role): boolean => scheduler?.leadership.epoch() !== undefined

function recycleTargets({ roles, subject, chaos, world }: Simulation, where: string): void {
  const role = roles.get(`agent-${where}`)
  if (!role) return
  const before = role.onStep
  let isDone = false
  role.onStep = (now, what) => {
    before?.(now, what)
    if (isDone || !what.startsWith('start a reverter')) return
    isDone = true
    world.tell(`--- all targets on ${where} are started anew, and strangers have their PIDs`)
    const { recyclesPids } = subject
    subject.recyclesPids = true
    for (const task of role.machine.kernel.tasks.values()) if (subject.isOptedIn(role.machine, task)) subject.dies(role.machine, task)
    subject.recyclesPids = recyclesPids
    chaos.count('targets-recycled')
  }
}

function once(simulation: Simulation, disturbance: Extract<Disturbance, { atMs: number }>): void {
  const { world, chaos, roles, machines, subject } = simulation
  switch (disturbance.is) {
    case 'crash': case 'paused': {
      const role = disturbance.who === 'leader' ? [...roles.values()].find(leads) : roles.get(disturbance.who)
      if (role?.process?.is !== 'running') return
      chaos.count(disturbance.is)
      return disturbance.is === 'crash' ? crash(simulation, role, disturbance.forMs) : pause(simulation, role, disturbance.forMs)
    }
    case 'power-loss': {
      const machine = machines.get(disturbance.where)
      if (!machine?.hasPower) return
      chaos.count('power-loss')
      return powerLoss(simulation, machine, disturbance.forMs)
    }
    case 'clock-jump': {
      const machine = machines.get(disturbance.where)
      if (!machine) return
      world.tell(`--- the clock of ${machine.name} jumps by ${disturbance.byMs} ms`)
      machine.aheadMs += disturbance.byMs
      return chaos.count('clock-jump')
    }
    case 'reverter-killed': {
      const machine = machines.get(disturbance.where)
      const [reverter] = machine ? simulation.reverters.get(machine) ?? [] : []
      if (!reverter || !machine?.hasPower) return
      world.tell(`--- ${reverter.name} is killed`)
      reverter.end()
      return chaos.count('reverter-killed')
    }
    case 'target-dies': {
      const chance = new Chance(plan(simulation), disturbance.atMs)
      const alive = simulation.agentMachines.flatMap(machine => [...machine.kernel.tasks.values()].filter(task => subject.isOptedIn(machine, task)).map(task => ({ machine, task })))
      if (alive.length === 0) return
      const { machine, task } = chance.pick(alive)
      world.tell(`--- ${task.pid} on ${machine.name} dies by itself`)
      subject.dies(machine, task)
      return chaos.count('target-dies')
    }
    case 'pod-comes-up': {
      const nodes = simulation.agentMachines.filter(({ name, hasPower }) => hasPower && name !== 'api' && name !== 'box')
      if (nodes.length === 0) return
      subject.addPod(new Chance(plan(simulation), disturbance.atMs).pick(nodes))
      return chaos.count('pod-comes-up')
    }
    case 'lease-bucket-lost':
      simulation.nats.loseLease()
      return chaos.count('lease-bucket-lost')
    case 'user-aborts': return simulation.user.abort(() => chaos.count('user-aborts'))
    case 'halt': return simulation.user.halt(disturbance.forMs, () => chaos.count('halt'))
  }
}

const plan = ({ plan: { seed } }: Simulation) => seed

function crash(simulation: Simulation, role: Role, forMs: number): void {
  const { world, chaos } = simulation
  world.tell(`--- ${role.name} crashes`)
  if (role.machine.kernel.inForce().length > 0) chaos.count('agent crashed with a fault')
  chaos.notThere(role.machine, forMs)
  role.process?.end()
  world.after(forMs, undefined, () => role.start())
}

function pause(simulation: Simulation, role: Role, forMs: number): void {
  const { world, chaos } = simulation
  const { process } = role
  if (!process) return
  world.tell(`--- ${role.name} is stopped`)
  if (leads(role) && forMs > 1_200) chaos.count('leader paused beyond its lease')
  if (role.machine.kernel.inForce().length > 0 && forMs > 3_000) chaos.count('agent paused beyond its lease')
  chaos.notThere(role.machine, forMs)
  process.stop()
  world.after(forMs, undefined, () => {
    world.tell(`--- ${role.name} goes on`)
    process.goOn()
  })
}

function powerLoss(simulation: Simulation, machine: Machine, forMs: number): void {
  const { world, subject } = simulation
  world.tell(`--- ${machine.name} loses its power`)
  machine.losePower()
  world.after(forMs, undefined, () => {
    world.tell(`--- ${machine.name} is back`)
    machine.hasPower = true
    subject.comesBack(machine)
    for (const role of simulation.roles.values()) if (role.machine === machine) role.start()
  })
}
