import { overCap } from '#shared/blast-radius.ts'
import { faultKinds } from '#shared/registry.ts'
import { isPod, isProcess, type BoundPod, type BoundProcess, type BoundTarget, type PodsTarget } from '#shared/target.ts'
import { kindsDoneBy, type Driver, type PrepareRequest } from '../../services/injector/driver.ts'
import { FaultRefused } from '../../services/injector/fault-refused.ts'
import { candidates, pickJoining, pickTargets, type Scene } from '../../services/injector/process-targets.ts'
import type { StepInHand } from '../../services/injector/step-in-hand.ts'
import type { Chance } from './chance.ts'
import type { Ledger } from './ledger.ts'
import { beginMs, type Machine } from './machine.ts'
import { targetOf, type Task } from './sim-kernel.ts'
import { namespace, type Pod, type Subject } from './subject.ts'
import type { Process } from './world.ts'

export interface SimDriverOptions { machine: Machine; process: Process; subject: Subject; ledger: Ledger; chance: Chance }

/** What can be simulated of what agents of each sort do; the other kinds differ in what they do to the kernel, not in how they are ended. */
export const simulatedKinds = {
  local: kindsDoneBy('local').filter(kind => kind === 'pause' || kind === 'kill'),
  node: kindsDoneBy('node').filter(kind => kind === 'pod-pause' || kind === 'network-drop'),
  cluster: kindsDoneBy('cluster').filter(kind => kind === 'pod-kill'),
}

/** Mirrors local-driver.ts, which reads /proc: whom a fault names, whom it picks and whether that is too many are the real functions. A plan, too, refuses what the inject would. */
export function localDriver(options: SimDriverOptions): Driver {
  const { machine, subject } = options
  const scene = (): Scene => ({
    table: [...machine.kernel.tasks.values()], untouchable: new Set([1]), commandOf: pid => machine.kernel.tasks.get(pid)?.command ?? '',
    parents: subject.parent ? [{ name: 'shop', pid: subject.parent.pid, startTicks: subject.parent.startTicks }] : [],
  })
  return {
    kinds: simulatedKinds.local,
    async plan({ spec, run, blastRadius }) {
      await look(options)
      return pickTargets(candidates(demandProcessTarget(spec), scene()), demandProcessTarget(spec).pick, run, blastRadius).map(target => {
        stepOn(options, { spec, id: 'plan' }, target, 0)
        return { target, steps: [] }
      })
    },
    async prepare(request) {
      await look(options)
      const allowed = new Set(candidates(demandProcessTarget(request.spec), scene()).map(({ id }) => id))
      const tooMany = overCap(request.blastRadius, request.targets.length, allowed.size)
      if (tooMany !== undefined) throw new FaultRefused(tooMany)
      return request.targets.map((target, index) => {
        if (!isProcess(target) || !allowed.has(target.id) || target.id !== `process:${target.pid}:${target.startTicks}`) throw new FaultRefused(`${target.id} is not among those that the fault names`)
        return stepOn(options, request, target, index)
      })
    },
  }
}

/** Mirrors node-driver.ts: the pods of its node, each only with the API-side agent's word for it. */
export function nodeDriver(options: SimDriverOptions): Driver {
  const { machine, subject } = options
  return {
    kinds: simulatedKinds.node,
    plan: async ({ found: { chosen } = { chosen: [] } }) => chosen.map(target => ({ target, steps: [] })),
    async prepare(request) {
      await look(options)
      return request.targets.map((target, index) => {
        if (!isPod(target) || target.pod.node !== machine.name) throw new FaultRefused(`${target.id} is not on ${machine.name}`)
        if (request.vouchers[target.id] !== voucherFor(target)) throw new FaultRefused(`${target.id}: it comes without a voucher`)
        const pod = subject.pods.get(target.pod.uid)
        if (!pod || !machine.kernel.find(pod.task)) throw new FaultRefused(`${target.id} has no process`)
        return stepOn(options, request, { ...pod.task, id: target.id, description: target.description }, index)
      })
    },
  }
}

/** Mirrors cluster-driver.ts and cluster/pod-targets.ts: which pods there are it knows at once; whom a fault picks, and who joins it, are the real functions. */
export function clusterDriver(options: SimDriverOptions): Driver {
  const { subject } = options
  const running = () => [...subject.pods.values()].filter(({ machine, task }) => machine.kernel.find(task) !== undefined)
  return {
    kinds: simulatedKinds.cluster,
    plan: async ({ found: { chosen } = { chosen: [] } }) => chosen.map(target => ({ target, steps: [] })),
    async resolve({ spec, run, blastRadius, joining }) {
      await look(options)
      const target = demandPodsTarget(spec)
      const pods = running()
      const bound = pods.map(bind)
      if (joining) {
        const young = new Set(pods.filter(({ bornAtMs }) => target.pick === 'all' || beginMs + bornAtMs + 1_000 > joining.sinceMs).map(bind).map(({ id }) => id))
        return { targets: pickJoining(bound, { held: joining.held, isFree: ({ id }) => young.has(id) }, target.pick, run, blastRadius).map(found => resolved(found, spec.kind)), peers: [] }
      }
      if (bound.length === 0) throw new FaultRefused('there are no running pods')
      return { targets: pickTargets(bound, target.pick, run, blastRadius).map(found => resolved(found, spec.kind)), peers: [] }
    },
    discover: async () => [],
    async prepare(request) {
      await look(options)
      return request.targets.map(target => deletion(options, request, target))
    },
  }
}

const look = ({ machine, chance }: SimDriverOptions) => machine.world.pass(chance.int(1, 30))
const bind = ({ uid, name, machine }: Pod): BoundPod => ({ id: `pod:${uid}`, pod: { namespace, name, uid, node: machine.name }, services: [], description: `${namespace}/${name} on ${machine.name}` })
const voucherFor = (target: BoundTarget) => `the API-side agent's word for ${target.id}`
const resolved = (target: BoundPod, kind: string) => ({ target, voucher: voucherFor(target), agent: faultKinds.get(kind)?.targets.pods === 'cluster' ? 'cluster' : target.pod.node })

function stepOn(options: SimDriverOptions, { spec, id }: Pick<PrepareRequest, 'spec' | 'id'>, target: BoundProcess, index: number): StepInHand {
  switch (spec.kind) {
    case 'pause': case 'pod-pause': return pause(options, id, target)
    case 'kill': return kill(options, id, target)
    case 'network-drop': return cutOff(options, id, target, `faultline_${id}_${index}`)
    default: throw new FaultRefused(`${spec.kind} is not simulated`)
  }
}

function demandTask({ machine }: SimDriverOptions, target: BoundProcess): Task {
  const task = machine.kernel.find(target)
  if (!task) throw new FaultRefused(`${target.id} has ended: its PID is free or belongs to another process`)
  return task
}

/** `alone`: no other fault that stops or kills processes may have it meanwhile. */
function touch({ machine, subject, ledger }: SimDriverOptions, id: string, task: Task, { alone }: { alone: boolean }): void {
  ledger.acted(machine, id, targetOf(task), { isOptedIn: subject.isOptedIn(machine, task), alsoHeldBy: alone ? task.stoppedBy : undefined })
}

function pause(options: SimDriverOptions, id: string, target: BoundProcess): StepInHand {
  const { machine, process, ledger } = options
  if (demandTask(options, target).state === 'T') throw new FaultRefused(`${target.id} is stopped already`)
  return {
    undo: { undo: 'continue', processes: [target], leave: [] },
    async act({ record, requireTimeLeft }) {
      await look(options)
      demandTask(options, target)
      record({ undo: 'continue', processes: [{ pid: target.pid, startTicks: target.startTicks }], leave: [] })
      requireTimeLeft()
      process.step(`stop ${target.pid}`)
      const task = demandTask(options, target)
      touch(options, id, task, { alone: true })
      machine.kernel.signal(target.pid, 'SIGSTOP', id)
      await look(options)
      ledger.readBack(machine, id)
      return { verified: machine.kernel.find(target)?.state === 'T', readBack: [`${target.pid} T`] }
    },
  }
}

function kill(options: SimDriverOptions, id: string, target: BoundProcess): StepInHand {
  const { machine, process, subject } = options
  demandTask(options, target)
  return {
    undo: { undo: 'nothing' },
    async act({ requireTimeLeft }) {
      await look(options)
      requireTimeLeft()
      process.step(`kill ${target.pid}`)
      const task = demandTask(options, target)
      touch(options, id, task, { alone: true })
      subject.dies(machine, task)
      await look(options)
      return { verified: machine.kernel.find(target) === undefined, readBack: [`${target.pid} gone`] }
    },
  }
}

function cutOff(options: SimDriverOptions, id: string, target: BoundProcess, table: string): StepInHand {
  const { machine, process, ledger } = options
  const undo = { undo: 'delete-table', nft: 'nft', nsenter: 'nsenter', table, namespace: '', process: { pid: target.pid, startTicks: target.startTicks } } as const
  return {
    undo,
    async act({ requireTimeLeft }) {
      await look(options)
      const leftMs = requireTimeLeft()
      process.step(`add the table ${table}`)
      touch(options, id, demandTask(options, target), { alone: false })
      machine.kernel.addTable(table, id, target, Math.max(1, Math.round(leftMs)))
      await look(options)
      ledger.readBack(machine, id)
      return { verified: machine.kernel.hasTable(table), readBack: [`${table} is there`] }
    },
    async renew(remainingMs) {
      process.step(`renew the table ${table}`)
      return remainingMs >= 1 && machine.kernel.renewTable(table, remainingMs) ? 'renewed' : 'lapsed'
    },
  }
}

function deletion(options: SimDriverOptions, { id }: PrepareRequest, target: BoundTarget): StepInHand {
  const { process, subject } = options
  return {
    undo: { undo: 'nothing' },
    async act({ requireTimeLeft }) {
      await look(options)
      requireTimeLeft()
      const pod = isPod(target) ? subject.pods.get(target.pod.uid) : undefined
      const task = pod?.machine.kernel.find(pod.task)
      if (!pod || !task) throw new FaultRefused(`${target.id} is gone`)
      process.step(`delete ${target.id}`)
      touch(options, id, task, { alone: false })
      subject.dies(pod.machine, task)
      return { verified: true, readBack: ['gone'] }
    },
  }
}

function demandProcessTarget({ target }: PrepareRequest['spec']) {
  if (!target.process) throw new FaultRefused('this agent touches processes only')
  return target.process
}

function demandPodsTarget({ target }: PrepareRequest['spec']): PodsTarget {
  if (!target.pods) throw new FaultRefused('no pods are named')
  return target.pods
}
