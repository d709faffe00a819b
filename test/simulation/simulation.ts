import { Chance } from './chance.ts'
import { Chaos, endOf, unleash, type Fired } from './chaos.ts'
import { Checker, type Violation } from './invariants.ts'
import { Ledger } from './ledger.ts'
import { Machine } from './machine.ts'
import { agentMachinesOf, machinesOf, type Plan } from './plan.ts'
import { rolesIn, type Role } from './roles.ts'
import { SimLocust, SimPrometheus } from './sim-load.ts'
import { Nats } from './sim-nats.ts'
import { Subject } from './subject.ts'
import { User } from './user.ts'
import { inVirtualTime } from './virtual-time.ts'
import { World, type Process } from './world.ts'

/** Once nothing goes wrong any more, every run must come to its end within that time: the longest patience of the cores, and then some. */
const endsWithinMs = 150_000
/** What is announced late still comes. */
const settlingMs = 3_000

/** Everything that one seed plays with. */
export interface Simulation {
  plan: Plan
  world: World
  chaos: Chaos
  nats: Nats
  machines: ReadonlyMap<string, Machine>
  /** On which agents act. */
  agentMachines: readonly Machine[]
  roles: ReadonlyMap<string, Role>
  reverters: Map<Machine, Set<Process>>
  subject: Subject
  locust: SimLocust
  prometheus: SimPrometheus
  ledger: Ledger
  user: User
}

export interface Outcome {
  plan: Plan
  violations: Violation[]
  fired: ReadonlyMap<Fired, number>
  verdicts: string[]
  simulatedMs: number
  transcript: [number, string][]
}

/** Plays one plan to its end, or to the first violation. The same plan always gives the same. `isTold`: with a transcript of all logs. */
export async function simulate(plan: Plan, { isTold = false } = {}): Promise<Outcome> {
  const world = new World()
  return inVirtualTime(world, async () => {
    const simulation = build(plan, world, isTold)
    const checker = new Checker(simulation)
    let quietSinceMs: number | undefined
    const howEnded = await world.run({
      mostMs: endOf(plan) + endsWithinMs,
      eachStep: () => checker.afterStep(),
      isOver: () => {
        if (checker.violations.length > 0) return true
        quietSinceMs = isQuiet(simulation) ? quietSinceMs ?? world.nowMs : undefined
        return quietSinceMs !== undefined && world.nowMs >= quietSinceMs + settlingMs
      },
    })
    if (checker.violations.length === 0) checker.atEnd(howEnded)
    const verdicts = simulation.nats.facts.flatMap(stored => stored.kind === 'run.judged' ? [stored.fact.data.verdict] : [])
    return { plan, violations: checker.violations, fired: simulation.chaos.fired, verdicts, simulatedMs: world.nowMs, transcript: world.transcript }
  })
}

function build(plan: Plan, world: World, isTold: boolean): Simulation {
  const chance = (part: number) => new Chance(plan.seed, part)
  const chaos = new Chaos(plan, () => world.nowMs)
  const nats = new Nats(world, chaos)
  const machines = new Map(machinesOf(plan.place).map(name => [name, new Machine(world, name)]))
  const agentMachines = agentMachinesOf(plan.place).flatMap(name => machines.get(name) ?? [])
  const subject = new Subject(plan.constitution, chance(1))
  for (const machine of agentMachines) {
    if (machine.name === 'box') subject.settleOn(machine, 3)
    else if (machine.name !== 'api') for (let pod = 0; pod < 2; pod++) subject.addPod(machine)
  }
  const ledger = new Ledger()
  const onLoad = machines.get('load')
  const onEval = machines.get('eval')
  if (!onLoad || !onEval) throw new Error('every place has the machines load and eval')
  const locust = new SimLocust(onLoad, subject, chance(2), agentMachines)
  const prometheus = new SimPrometheus(onEval, subject, chance(3), agentMachines)
  const reverters = new Map<Machine, Set<Process>>()
  const roles = rolesIn({ plan, machines, nats, ledger, subject, locust, prometheus, reverters, isTold, onRefused: () => chaos.count('undo-refused') })
  const isHalted = () => nats.facts.findLast(({ kind }) => kind === 'halt.set' || kind === 'halt.released')?.kind === 'halt.set'
  const user = new User(world, [...roles.values()].filter(({ name }) => name.startsWith('scheduler')), isHalted)
  const simulation: Simulation = { plan, world, chaos, nats, machines, agentMachines, roles, reverters, subject, locust, prometheus, ledger, user }
  unleash(simulation)
  for (const role of roles.values()) role.start()
  for (const [index, { atMs, document }] of plan.documents.entries()) world.after(atMs, undefined, () => user.submit(`run-${index + 1}`, document))
  return simulation
}

/** Nothing goes wrong any more, everybody is there, every run is judged, and nothing is left in force or to be undone. */
function isQuiet({ plan, world, nats, user, ledger, roles, agentMachines }: Simulation): boolean {
  if (world.nowMs < endOf(plan) || world.nowMs < 2_000 || user.underWay > 0 || user.runs.length + user.refused.length < plan.documents.length) return false
  if (ledger.inForce().length > 0 || agentMachines.some(({ disk }) => disk.names().some(file => file.endsWith('.entry')))) return false
  if ([...roles.values()].some(({ process }) => process?.is !== 'running')) return false
  const judged = new Set(nats.facts.flatMap(({ kind, fact }) => kind === 'run.judged' ? [fact.subject] : []))
  return user.runs.every(run => judged.has(run))
}
