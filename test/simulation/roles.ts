import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { FindHalt } from '#shared/halt-file.ts'
import { startInjector } from '../../services/injector/service.ts'
import { startLocustBridge } from '../../services/locust-bridge/service.ts'
import { startScheduler, type Scheduler } from '../../services/scheduler/service.ts'
import { startSloEvaluator } from '../../services/slo-evaluator/service.ts'
import { Chance } from './chance.ts'
import type { Ledger } from './ledger.ts'
import { beginMs, type Machine } from './machine.ts'
import type { Plan } from './plan.ts'
import { SimBus } from './sim-bus.ts'
import { journalOn } from './sim-disk.ts'
import { clusterDriver, localDriver, nodeDriver } from './sim-drivers.ts'
import { simLeadership } from './sim-leadership.ts'
import type { SimLocust, SimPrometheus } from './sim-load.ts'
import { machineFor } from './sim-machine.ts'
import type { Nats } from './sim-nats.ts'
import type { Subject } from './subject.ts'
import type { Process } from './world.ts'

/** A service that somebody starts again whenever it has ended: the real one, in a process of the simulation. */
export class Role {
  readonly name: string
  readonly machine: Machine
  process: Process | undefined
  /** How many steps its processes have done, all together. */
  steps = 0
  onStep: ((role: Role, what: string) => void) | undefined
  /** Only of a scheduler, once it is ready. */
  scheduler: Scheduler | undefined
  readonly #begin: (process: Process, start: number) => Promise<Scheduler | void>
  #starts = 0

  constructor(name: string, machine: Machine, begin: (process: Process, start: number) => Promise<Scheduler | void>) {
    this.name = name
    this.machine = machine
    this.#begin = begin
  }

  get isUp(): boolean { return this.process !== undefined && this.process.is !== 'dead' }

  start(): void {
    if (this.isUp || !this.machine.hasPower) return
    const start = ++this.#starts
    this.process = this.machine.start(`${this.name}.${start}`, process => {
      process.beforeStep = (_, what) => {
        this.steps += 1
        this.onStep?.(this, what)
      }
      process.onEnd(() => { this.scheduler = undefined })
      void this.#run(process, start)
    })
  }

  async #run(process: Process, start: number): Promise<void> {
    const { world } = this.machine
    try {
      const started = await this.#begin(process, start)
      if (started && process.is !== 'dead') this.scheduler = started
    } catch (error) {
      world.tell(`${process.name} could not start: ${String(error)}`)
      world.after(0, undefined, () => { // its supervisor tries again
        process.end()
        world.after(1_000, undefined, () => this.start())
      })
    }
  }
}

export interface Surroundings { plan: Plan; machines: ReadonlyMap<string, Machine>; nats: Nats; ledger: Ledger; subject: Subject; locust: SimLocust; prometheus: SimPrometheus; reverters: Map<Machine, Set<Process>>; onRefused(): void; isTold: boolean }

export function rolesIn(world: Surroundings): Map<string, Role> {
  const { plan, machines, nats, ledger, subject, locust, prometheus, reverters, onRefused } = world
  const on = (name: string): Machine => {
    const machine = machines.get(name)
    if (!machine) throw new Error(`there is no machine ${name}`)
    return machine
  }
  const roles = new Map<string, Role>()
  const add = (name: string, machine: Machine, begin: (at: { machine: Machine; process: Process; chance: Chance; bus: SimBus; common: ReturnType<typeof commonOf> }) => Promise<Scheduler | void>) => {
    const number = roles.size + 10
    roles.set(name, new Role(name, machine, (process, start) => {
      const chance = new Chance(plan.seed, number * 1_000 + start)
      return begin({ machine, process, chance, bus: new SimBus({ nats, machine, process, chance, ledger }), common: commonOf(machine, process, world.isTold) })
    }))
  }
  for (const number of [1, 2]) {
    add(`scheduler-${number}`, on(`s${number}`), ({ machine, process, chance, bus, common }) => {
      const leadership = simLeadership({ nats, machine, process, chance, ledger }, process.name)
      return startScheduler({ ...common, bus, leadership })
    })
  }
  for (const name of plan.place === 'local' ? ['box'] : ['n1', 'n2', 'api']) {
    add(`agent-${name}`, on(name), async ({ machine, process, chance, bus, common }) => {
      const options = { machine, process, subject, ledger, chance }
      const driver = name === 'box' ? localDriver(options) : name === 'api' ? clusterDriver(options) : nodeDriver(options)
      const left = reverters.get(machine) ?? new Set()
      reverters.set(machine, left)
      await startInjector({
        ...common, bus, node: name === 'api' ? 'cluster' : name, stateFolder: '', driver, findHalt: haltOn(machine), journal: journalOn(machine.disk, process),
        machine: machineFor(machine, process, chance, { onRefused, reverters: left }),
      })
    })
  }
  add('bridge', on('load'), async ({ machine, process, bus, common }) => {
    await startLocustBridge({
      ...common, bus, findHalt: haltOn(machine), listen: { host: '', port: 0 }, token: '',
      startLocusts: options => locust.generators(process, options),
      startSamples: async ({ take }) => {
        locust.listen(process, take)
        return { url: 'http://bridge', close: () => Promise.resolve() }
      },
    })
  })
  add('evaluator', on('eval'), async ({ bus, common }) => {
    await startSloEvaluator({ ...common, bus, prometheus: { url: 'http://prometheus' }, connect: () => prometheus.connect() })
  })
  return roles
}

/** The file that halt-file.ts would find on that machine. */
const haltOn = (machine: Machine): FindHalt => () => machine.haltedSinceMs === undefined ? undefined : { where: 'the file /halt', why: '', sinceMs: beginMs + machine.haltedSinceMs }

function commonOf(machine: Machine, process: Process, isTold: boolean) {
  const log = pino({ level: isTold ? 'info' : 'silent', base: null, timestamp: false }, { write: line => machine.world.tell(`${process.name}: ${printLine(line)}`) })
  return { clock: machine.clock, log, metrics: new Registry() }
}

function printLine(line: string): string {
  const { level: _, msg, trace_id: __, ...fields } = JSON.parse(line) as Record<string, unknown>
  return `${String(msg)} ${JSON.stringify(fields)}`.slice(0, 300)
}
