import { Chance } from './chance.ts'
import type { Constitution } from './subject.ts'

/** Everything that a seed decides beforehand: who there is, what is asked of them, and what goes wrong. */
export interface Plan {
  seed: number
  /** `local`: processes of one machine; `cluster`: pods on two nodes, and the API-side agent. */
  place: 'local' | 'cluster'
  constitution: Constitution
  documents: { atMs: number; document: unknown }[]
  disturbances: Disturbance[]
}

interface Stretch { fromMs: number; toMs: number }

/** `who` is a role such as `scheduler-1`, or `leader`: the scheduler that leads then; `where` a machine. Each is left out by itself when a failing seed is shrunk. */
export type Disturbance =
  | Stretch & { is: 'signals-lost' | 'signals-doubled' | 'signals-delayed' | 'signals-replayed' | 'commands-lost' | 'commands-delayed' | 'commands-replayed' | 'answers-lost' | 'acks-lost'; share: number }
  | Stretch & { is: 'partition' | 'follower-stalled' | 'disk-full' | 'undo-refused' | 'halt-file'; where: string }
  | Stretch & { is: 'nats-down' | 'samples-lost' | 'prometheus-away' | 'pids-recycled' | 'subject-sick' }
  | { is: 'paused' | 'crash'; who: string; atMs: number; forMs: number }
  | { is: 'paused-at-step' | 'crash-at-step'; who: string; step: number; forMs: number }
  /** At the `nth` time that it is about to do what begins like that, or `afterMs` later. */
  | { is: 'paused-at-moment' | 'crash-at-moment'; who: string; moment: string; nth: number; forMs: number; afterMs?: number }
  /** Between the choice of a target and the act, all are started anew, and strangers have their PIDs. */
  | { is: 'targets-recycled'; where: string }
  | { is: 'power-loss'; where: string; atMs: number; forMs: number; fsyncLies: boolean }
  | { is: 'clock-jump'; where: string; atMs: number; byMs: number }
  | { is: 'reverter-killed'; where: string; atMs: number }
  | { is: 'target-dies' | 'pod-comes-up' | 'lease-bucket-lost' | 'user-aborts'; atMs: number }
  | { is: 'halt'; atMs: number; forMs: number }
export type DisturbanceKind = Disturbance['is']

/** All that goes wrong has begun by then. */
export const chaosUntilMs = 13_000

export const machinesOf = (place: Plan['place']): string[] => ['s1', 's2', ...agentMachinesOf(place), 'load', 'eval']
export const agentMachinesOf = (place: Plan['place']): string[] => place === 'local' ? ['box'] : ['n1', 'n2', 'api']
export const rolesOf = (place: Plan['place']): string[] => ['scheduler-1', 'scheduler-2', ...agentMachinesOf(place).map(machine => `agent-${machine}`), 'bridge', 'evaluator']

export function planOf(seed: number): Plan {
  const chance = new Chance(seed)
  const place = chance.pick(['local', 'cluster'] as const)
  const documents = [{ atMs: 400, document: experiment(chance, place) }]
  if (chance.happens(0.25)) documents.push({ atMs: chance.int(1_500, 6_000), document: experiment(chance, place, { load: false }) })
  const story = chance.happens(0.25) ? chance.pick(stories)(chance, place) : undefined
  const count = story ? chance.int(0, 2) : chance.happens(0.08) ? 0 : chance.int(1, 9)
  if (story?.submitsAtMs !== undefined) documents.push({ atMs: story.submitsAtMs, document: experiment(chance, place, { load: false }) })
  const lagging = halfTold(seed, place)
  return {
    seed, place, documents: lagging?.documents ?? documents,
    constitution: { hurt: chance.pick([0, 0, 0, 0.05, 0.5, 1]), healsMs: chance.pick([0, 200, 1_000, 4_000]) },
    disturbances: promised([...Array.from({ length: count }, () => disturbance(chance, place)), ...story?.disturbances ?? [], ...haltFiles(seed, place), ...replays(seed), ...halfDone(seed, place), ...lagging?.disturbances ?? []]),
  }
}

/** Drawn apart, and laid where faults or load are: by an operator who sees that nobody answers. */
function haltFiles(seed: number, place: Plan['place']): Disturbance[] {
  const chance = new Chance(seed, 4)
  if (!chance.happens(0.12)) return []
  const where = chance.happens(0.3) ? [...agentMachinesOf(place), 'load'] : [chance.pick([...agentMachinesOf(place), 'load'])]
  const fromMs = chance.int(1_500, 8_000)
  const toMs = fromMs + chance.int(500, 8_000)
  return [...where.map((machine): Disturbance => ({ is: 'halt-file', where: machine, fromMs, toMs })), ...chance.happens(0.4) ? [{ is: 'nats-down' as const, fromMs: fromMs - 300, toMs: fromMs + 3_000 }] : []]
}

/** Drawn apart: somebody has heard what the schedulers say, and says it again when they say nothing any more. */
function replays(seed: number): Disturbance[] {
  const chance = new Chance(seed, 5)
  if (!chance.happens(0.08)) return []
  const atMs = chance.int(2_200, 5_000)
  return [
    { is: 'signals-replayed', fromMs: 0, toMs: atMs, share: 1 },
    ...['scheduler-1', 'scheduler-2'].map((who): Disturbance => ({ is: 'paused', who, atMs, forMs: 6_000 })),
  ]
}

/** Drawn apart: one of the agents that are told to do a fault is gone before it does it, and soon after so is the leader that has told them. */
function halfDone(seed: number, place: Plan['place']): Disturbance[] {
  const chance = new Chance(seed, 6)
  if (place === 'local' || !chance.happens(0.1)) return []
  return [
    { is: 'crash-at-moment', who: chance.pick(['agent-n1', 'agent-n2']), moment: 'write', nth: chance.int(1, 4), forMs: chance.int(4_000, 9_000) },
    ...['scheduler-1', 'scheduler-2'].map((who): Disturbance => ({ is: 'crash-at-moment', who, moment: 'publish run.phase', nth: chance.int(2, 5), forMs: chance.int(1_000, 4_000) })),
  ]
}

/** Drawn apart: one of two agents is slow to act, and what the schedulers hear of that comes later than the agent's answer; a pod comes up meanwhile, and the fault has all that it may have. */
function halfTold(seed: number, place: Plan['place']): { documents: Plan['documents']; disturbances: Disturbance[] } | undefined {
  const chance = new Chance(seed, 7)
  if (place === 'local' || !chance.happens(0.06)) return undefined
  const lagsFromMs = chance.int(1_680, 2_300)
  const three = { ...fault(chance, place, 1_000), kind: 'pod-pause', duration: '5s', target: { pods: { namespace: 'shop', labels: { app: 'shop' }, pick: 3 } } }
  return {
    documents: [{ atMs: 400, document: { ...experiment(chance, place, { load: false }), faults: [three], blastRadius: { maxTargets: 3 } } }],
    disturbances: [
      { is: 'paused-at-moment', who: 'agent-n2', moment: chance.pick(['write', 'stop']), nth: chance.int(2, 4), forMs: chance.int(300, 900) },
      ...['s1', 's2'].map((where): Disturbance => ({ is: 'follower-stalled', where, fromMs: lagsFromMs, toMs: lagsFromMs + chance.int(1_200, 2_500) })),
      { is: 'pod-comes-up', atMs: lagsFromMs + chance.int(-300, 900) },
    ],
  }
}

/** Who kills the agent and its reverters at once has undone what was promised: one of the two is always left, unless the whole machine is gone. */
function promised(drawn: Disturbance[]): Disturbance[] {
  const withoutReverters = new Set(drawn.flatMap(disturbance => disturbance.is === 'reverter-killed' ? [`agent-${disturbance.where}`] : []))
  return drawn.filter(disturbance => !('who' in disturbance) || !withoutReverters.has(disturbance.who))
}

export function experiment(chance: Chance, place: Plan['place'], { load = chance.happens(0.75) }: { load?: boolean } = {}): object {
  const firstAtMs = chance.int(1_000, 2_500)
  const faults = Array.from({ length: chance.int(1, 3) }, (_, index) => fault(chance, place, index === 0 ? firstAtMs : firstAtMs + chance.int(0, 3_000)))
  const source = load && chance.happens(0.7) ? {} : { source: 'prometheus', interval: '500ms' }
  const rule = 'source' in source ? { promql: { query: 'failing_ratio', max: 0.1 } } : { errorRate: { max: '10%' } }
  const gate = (name: string, phase: string) => ({ name, phase, consecutive: chance.int(1, 3), ...source, ...rule, ...(!('source' in source) && { window: '500ms' }) })
  return {
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'simulated' },
    ...(load && { load: { users: 10, host: 'http://shop:8000' } }),
    faults,
    blastRadius: chance.happens(0.25) ? { maxTargets: chance.int(1, 3), maxShare: chance.pick(['100%', '50%', '34%']) } : { maxTargets: chance.int(3, 6) },
    gates: [gate('holds', 'during'), ...chance.happens(0.4) ? [gate('quiet', 'steady')] : [], ...chance.happens(0.3) ? [gate('recovers', 'recovery')] : []],
    hold: `${chance.int(2, 5)}s`,
    recovery: { within: `${chance.int(2, 8)}s`, stable: `${chance.int(1, 2)}s` },
    lease: `${chance.int(1_000, 3_000)}ms`,
  }
}

export function fault(chance: Chance, place: Plan['place'], atMs: number): object {
  const pick = chance.pick(['one', 'one', 'all', 2, '50%'])
  const kind = place === 'local' ? chance.pick(['pause', 'pause', 'pause', 'kill']) : chance.pick(['network-drop', 'network-drop', 'pod-pause', 'pod-pause', 'pod-kill'])
  return {
    kind, at: `${atMs}ms`,
    target: place === 'local' ? { process: { match: 'shop: worker', pick } } : { pods: { namespace: 'shop', labels: { app: 'shop' }, pick } },
    ...(kind !== 'kill' && kind !== 'pod-kill' && { duration: `${chance.int(800, 5_000)}ms` }),
  }
}

/** What processes call their steps (Process.step), by the first words. */
const agentMoments = ['write', 'start a reverter', 'stop', 'add the table', 'renew', 'publish fault.injected', 'undo', 'publish fault.reverted', 'remove', 'answer inject', 'signal aborted'] as const
const schedulerMoments = ['publish run.submitted', 'publish run.phase', 'publish run.aborting', 'publish run.sealed', 'publish halt', 'signal heartbeat', 'signal abort', 'ask', 'write the lease'] as const

/** Drawn with the same weight each, whoever it is done to. */
const kinds: readonly ((chance: Chance, at: At) => Disturbance)[] = [
  ...(['signals-lost', 'signals-doubled', 'signals-delayed', 'commands-lost', 'commands-delayed', 'commands-replayed', 'answers-lost', 'acks-lost'] as const)
    .map(is => (chance: Chance, { stretch }: At): Disturbance => ({ is, ...stretch(8_000), share: chance.pick([0.1, 0.4, 0.9, 1]) })),
  (chance, { machines, stretch }) => ({ is: 'partition', where: chance.pick(machines), ...stretch(7_000) }),
  (chance, { agents, stretch }) => ({ is: 'partition', where: chance.pick(agents), ...stretch(7_000) }),
  (chance, { stretch }) => ({ is: 'follower-stalled', where: chance.pick(['s1', 's2', 'eval', 'load']), ...stretch(3_000) }),
  (chance, { agents, stretch }) => ({ is: 'disk-full', where: chance.pick(agents), ...stretch(6_000) }),
  (chance, { agents, stretch }) => ({ is: 'undo-refused', where: chance.pick(agents), ...stretch(5_000) }),
  ...(['nats-down', 'samples-lost', 'prometheus-away', 'pids-recycled', 'subject-sick'] as const).map(is => (_: Chance, { stretch }: At): Disturbance => ({ is, ...stretch(5_000) })),
  ...(['paused', 'crash'] as const).flatMap(is => [
    (chance: Chance, { roles, atMs }: At): Disturbance => ({ is, who: chance.pick(roles), atMs: atMs(), forMs: chance.int(100, 6_000) }),
    (chance: Chance, { roles, atMs }: At): Disturbance => ({ is, who: chance.pick(roles.slice(0, 3)), atMs: atMs(), forMs: chance.int(500, 4_000) }), // schedulers and an agent
  ]),
  ...(['paused-at-step', 'crash-at-step'] as const).flatMap(is => [
    (chance: Chance, { roles }: At): Disturbance => ({ is, who: chance.pick(roles), step: chance.int(1, 150), forMs: chance.int(100, 6_000) }),
    (chance: Chance, { agents }: At): Disturbance => ({ is, who: `agent-${chance.pick(agents)}`, step: chance.int(1, 70), forMs: chance.int(100, 6_000) }),
  ]),
  ...(['paused-at-moment', 'crash-at-moment', 'crash-at-moment'] as const).flatMap(is => [
    (chance: Chance, { agents }: At): Disturbance => ({ is, who: `agent-${chance.pick(agents)}`, moment: chance.pick(agentMoments), nth: chance.pick([1, 1, 2, 3, 4, 5, 6]), forMs: chance.int(100, 6_000) }),
    (chance: Chance, { roles }: At): Disturbance => ({ is, who: chance.pick(roles.slice(0, 2)), moment: chance.pick(schedulerMoments), nth: chance.int(1, 3), forMs: chance.int(100, 6_000) }),
  ]),
  (chance, { agents }) => ({ is: 'targets-recycled', where: chance.pick(agents) }),
  (chance, { machines, atMs }) => ({ is: 'power-loss', where: chance.pick(machines), atMs: atMs(), forMs: chance.int(500, 6_000), fsyncLies: chance.happens(0.4) }),
  (chance, { agents, atMs }) => ({ is: 'power-loss', where: chance.pick(agents), atMs: atMs(), forMs: chance.int(500, 6_000), fsyncLies: chance.happens(0.6) }),
  (chance, { machines, atMs }) => ({ is: 'clock-jump', where: chance.pick(machines), atMs: atMs(), byMs: chance.pick([-20_000, -5_000, -700, 700, 5_000, 3_600_000]) }),
  (chance, { agents, atMs }) => ({ is: 'reverter-killed', where: chance.pick(agents), atMs: atMs() }),
  ...(['target-dies', 'pod-comes-up', 'lease-bucket-lost', 'user-aborts'] as const).map(is => (_: Chance, { atMs }: At): Disturbance => ({ is, atMs: atMs() })),
  (chance, { atMs }) => ({ is: 'halt', atMs: atMs(), forMs: chance.int(2_000, 14_000) }),
]

/** What goes wrong together, where one thing alone would be met by the first defence: an abort or another leader overtakes an inject. */
const stories: readonly ((chance: Chance, place: Plan['place']) => { disturbances: Disturbance[]; submitsAtMs?: number })[] = [
  (chance, place) => {
    const atMs = chance.int(2_000, 4_500)
    return { disturbances: [
      { is: 'commands-delayed', fromMs: atMs - 1_500, toMs: atMs, share: chance.pick([0.4, 0.6]) },
      { is: 'user-aborts', atMs: atMs + chance.int(100, 600) },
      ...agentMachinesOf(place).map((where): Disturbance => ({ is: 'crash', who: `agent-${where}`, atMs: atMs + chance.int(900, 1_600), forMs: chance.int(100, 600) })),
    ] }
  },
  chance => {
    const atMs = chance.int(1_500, 3_500)
    const forMs = chance.int(1_400, 3_500)
    return { disturbances: [
      ...['scheduler-1', 'scheduler-2'].map((who): Disturbance => ({ is: 'paused-at-moment', who, moment: 'ask', nth: chance.int(2, 5), forMs })),
      { is: 'commands-lost', fromMs: atMs, toMs: atMs + 4_000, share: 0.6 },
    ] }
  },
  chance => { // everybody who has heard the halt is started anew, and then somebody submits a run
    const atMs = chance.int(500, 2_500)
    return {
      submitsAtMs: atMs + chance.int(3_000, 5_000),
      disturbances: [
        { is: 'halt', atMs, forMs: 14_000 },
        ...['scheduler-1', 'scheduler-2'].map((who): Disturbance => ({ is: 'crash', who, atMs: atMs + chance.int(400, 1_200), forMs: chance.int(100, 900) })),
      ],
    }
  },
  (chance, place) => { // nobody can undo a fault for a while after its end
    const fromMs = chance.int(2_500, 6_000)
    return { disturbances: agentMachinesOf(place).map((where): Disturbance => ({ is: 'undo-refused', where, fromMs, toMs: fromMs + chance.int(1_500, 4_000) })) }
  },
  (chance, place) => { // a fault ends long before its time, and nothing else is wrong
    const moment = chance.pick(['publish fault.injected', 'renew', 'write'] as const)
    return { disturbances: agentMachinesOf(place).map((where): Disturbance => ({ is: 'crash-at-moment', who: `agent-${where}`, moment, nth: moment === 'write' ? chance.int(3, 7) : 1, forMs: chance.int(100, 600) })) }
  },
  chance => { // nobody sees how the system is while it has the fault, and nothing else is wrong
    const fromMs = chance.int(2_500, 3_500)
    return { disturbances: [{ is: 'prometheus-away', fromMs, toMs: fromMs + chance.int(2_000, 4_000) }] }
  },
  chance => ({ disturbances: [{ is: 'commands-replayed', fromMs: 1_000, toMs: 6_000, share: chance.pick([0.5, 1]) }] }),
]

interface At { machines: string[]; agents: string[]; roles: string[]; atMs(): number; stretch(mostMs: number): Stretch }

function disturbance(chance: Chance, place: Plan['place']): Disturbance {
  const atMs = () => chance.happens(0.3) ? chance.int(200, chaosUntilMs) : chance.int(1_500, 8_000) // most of them while faults are there
  const draw = chance.pick(kinds)
  return draw(chance, {
    machines: machinesOf(place), agents: agentMachinesOf(place), roles: rolesOf(place), atMs,
    stretch(mostMs) {
      const fromMs = atMs()
      return { fromMs, toMs: fromMs + chance.int(200, mostMs) }
    },
  })
}

/** In one line, for people. */
export function printDisturbance(disturbance: Disturbance): string {
  const { is, ...rest } = disturbance
  return `${is}  ${Object.entries(rest).map(([key, value]) => `${key} ${value}`).join(', ')}`
}
