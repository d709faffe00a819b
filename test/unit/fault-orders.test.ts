import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import type { Bus } from '#shared/bus.ts'
import { commands, type Command, type CommandName, type Reply } from '#shared/commands.ts'
import { CommandUnanswered, FactNotStored } from '#shared/errors.ts'
import type { Epoch } from '#shared/epoch.ts'
import type { FactData } from '#shared/events.ts'
import { experimentSchema } from '#shared/experiment.ts'
import { partOf } from '#shared/fault.ts'
import { faultOrders } from '../../services/scheduler/fault-orders.ts'
import { NotLeading } from '../../services/scheduler/service.ts'

const shop = { namespace: 'shop', labels: { app: 'shop' } }
const pausedPods = { kind: 'pod-pause', target: { pods: { ...shop, pick: 'all' } }, at: '2s', duration: '20s' }
const cutOff = { kind: 'network-partition', target: { pods: { ...shop, pick: 'all' } }, from: { labels: { app: 'database' } }, at: '2s', duration: '20s' }
const pausedWorkers = { kind: 'pause', target: { process: { match: 'shop: worker' } }, at: '2s', duration: '20s' }

const documentOf = (fault: object) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'x' }, load: { users: 10, host: 'http://127.0.0.1:1' },
  faults: [{ ...pausedWorkers, at: '1s' }, fault], gates: [{ name: 'errors', errorRate: { max: '1%' } }], blastRadius: { maxTargets: 3 }, lease: '4s',
})
const run = 'r'
const first: Epoch = { bucketCreatedMs: 1, revision: 7 }
const later: Epoch = { bucketCreatedMs: 1, revision: 8 }
/** Until when an agent obeys an order, as the orders themselves say. */
const goodForMs = 5_000

const pod = (uid: string, node = 'n1') => ({ id: `pod:${uid}`, pod: { namespace: 'shop', name: uid, uid, node }, description: `shop/${uid} on ${node}` })
const worker = (pid: number) => ({ id: `process:${pid}:1`, pid, startTicks: 1, description: `worker ${pid}` })
type Pod = ReturnType<typeof pod>
const found = (pods: readonly Pod[], more: { peers?: string[]; widens?: true } = {}): Reply<'resolve'> =>
  ({ outcome: 'done', peers: [], ...more, targets: pods.map(target => ({ target, agent: target.pod.node, voucher: `for ${target.id}` })) })
const refused = { outcome: 'refused' as const, why: 'as the test says' }
const done = { outcome: 'done' as const }

interface Answers {
  plan(to: string, command: Command<'plan'>): Reply<'plan'> | Promise<Reply<'plan'>>
  resolve(to: string, command: Command<'resolve'>): Reply<'resolve'> | Promise<Reply<'resolve'>>
  inject(to: string, command: Command<'inject'>): Reply<'inject'> | Promise<Reply<'inject'>>
}

/** A scheduler's orders for the second fault of an experiment. Agents answer as a test says; what they are asked is held against the catalogue. */
function giveOrders(fault: object, given: Partial<Answers> = {}) {
  const document = documentOf(fault)
  const experiment = experimentSchema.parse(document)
  const spec = experiment.faults[1]
  assert.ok(spec)
  const answers: Answers = { plan: () => refused, resolve: () => found([]), inject: () => done, ...given }
  const asked: { name: CommandName; to: string; command: unknown }[] = []
  const aborts: string[][] = []
  const written: FactData<'fault.ordered'>[] = []
  const room = {
    nowMs: 1_000_000, epoch: first as Epoch | undefined, mayBegin: true, stores: (): Promise<void> => Promise.resolve(), able: ['n1', 'n2', 'cluster'], answers, aborts, written, spec, document,
    inject: () => orders.inject(run, spec, experiment),
    /** Looks once what joins, as `number`th part, a fault that facts say has `held`. */
    join(number: number, held: readonly Pod[], leftMs = 10_000): Promise<void> {
      return orders.join(run, {
        effect: 'join', key: 'join', fault: spec, part: partOf(spec.id, number), endsAtMs: room.nowMs + leftMs, pauseMs: 1_000,
        joining: { held: held.map(({ id }) => id), peers: [], sinceMs: 1_000 },
      }, experiment)
    },
    commands: <C extends CommandName>(name: C): (Command<C> & { to: string })[] => asked.flatMap(each => each.name === name ? [{ ...each.command as Command<C>, to: each.to }] : []),
    /** Of each order so far, who was told to do it to whom. */
    orders: (): string[] => room.commands('inject').map(({ to, fault: part, targets }) => `${part} ${to}: ${targets.map(({ id }) => id).join(', ')}`),
    /** What the last look took for held. */
    held: (): string[] | undefined => room.commands('resolve').at(-1)?.joining?.held,
  }
  const request = async (name: 'plan' | 'resolve' | 'inject', to: string, command: unknown) => {
    const checked = commands[name].data.parse(JSON.parse(JSON.stringify(command)))
    asked.push({ name, to, command: checked })
    return commands[name].reply.parse(await answers[name](to, checked as never))
  }
  const orders = faultOrders({
    bus: { request: request as Bus['request'] },
    writer: {
      write(subject, type, data) {
        if (type === 'fault.ordered') return room.stores().then(() => written.push(data as FactData<'fault.ordered'>))
        const { cause, detail } = data as FactData<'run.aborting'>
        return Promise.resolve(aborts.push([subject, type, cause, detail]))
      },
    },
    clock: { nowMs: () => room.nowMs, monotonicMs: () => room.nowMs - 900_000 },
    log: pino({ level: 'silent' }),
    agents: { able: () => Promise.resolve(room.able.map(node => ({ node }))), names: () => ['n1', 'n2', 'cluster'] },
    apiSideAgent: 'cluster', documentOf: () => document, mayBegin: () => room.mayBegin,
    demandLead(since) {
      if (!room.epoch || (since && since.revision !== room.epoch.revision)) throw new NotLeading('as the test says')
      return room.epoch
    },
  })
  return room
}

const unanswered = () => Promise.reject(new CommandUnanswered('as the test says'))
/** A fault that was done to these, as far as its agents have answered. */
async function ordered(pods: readonly Pod[], given: Partial<Answers> = {}) {
  const room = giveOrders(pausedPods, { ...given, resolve: () => found(pods) })
  await room.inject()
  return room
}

test('each agent is told to do the fault, as its author wrote it, to exactly those targets that are its own, and until when that is good', async () => {
  const room = giveOrders(cutOff, { resolve: () => found([pod('a', 'n1'), pod('b', 'n2'), pod('c', 'n1')], { peers: ['10.0.0.9'] }) })
  await room.inject()
  assert.deepEqual(room.commands('resolve'), [{ to: 'cluster', run, fault: '2-network-partition', item: cutOff, blastRadius: { maxTargets: 3, maxShare: 1, disruptionBudgets: 'respect' } }])
  assert.deepEqual(room.orders(), ['2-network-partition n1: pod:a, pod:c', '2-network-partition n2: pod:b'])
  const [one] = room.commands('inject')
  assert.ok(one)
  const { targets: _, ...rest } = one
  assert.deepEqual(rest, {
    to: 'n1', run, fault: '2-network-partition', item: cutOff, peers: ['10.0.0.9'], vouchers: { 'pod:a': 'for pod:a', 'pod:c': 'for pod:c' }, blastRadius: { maxTargets: 3, maxShare: 1, disruptionBudgets: 'respect' },
    epoch: first, deadlineMs: room.nowMs + goodForMs, leaseMs: 4_000,
  })
})

test('every agent that can do it is asked for its own processes, and those that have some are told', async () => {
  const own = (to: string) => ({ outcome: 'done' as const, node: to, targets: to === 'n2' ? [] : [{ target: worker(to === 'n1' ? 11 : 12), steps: [] }] })
  const room = giveOrders(pausedWorkers, { plan: own })
  await room.inject()
  assert.deepEqual(room.commands('plan').map(({ to, item }) => [to, item]), ['n1', 'n2', 'cluster'].map(to => [to, pausedWorkers]))
  assert.deepEqual(room.orders(), ['2-pause n1: process:11:1', '2-pause cluster: process:12:1'])
})

test('a fault that nobody is there for is told as refused, with the reason, and is ordered of nobody', async () => {
  const noAgent = 'no agent that is alive can do'
  const whys: [fault: object, given: Partial<Answers>, able: string[], why: string][] = [
    [pausedPods, { resolve: () => refused }, ['n1'], '2-pod-pause has no target: as the test says'],
    [pausedPods, { resolve: () => found([]) }, ['n1'], '2-pod-pause has no target: nothing matches'],
    [pausedPods, { resolve: () => found([pod('a', 'n1'), pod('b', 'n2')]) }, ['n1'], '2-pod-pause: nobody can do it to shop/b on n2, since no agent n2 that is alive can do pod-pause'],
    [pausedWorkers, {}, ['n1', 'n2'], '2-pause has no target: n1: as the test says; n2: as the test says'],
    [pausedWorkers, { plan: to => ({ outcome: 'done', node: to, targets: [] }) }, ['n1'], '2-pause has no target: nothing matches'],
    [pausedWorkers, {}, [], `2-pause: ${noAgent} pause; alive: n1, n2, cluster`],
  ]
  for (const [fault, given, able, why] of whys) {
    const room = giveOrders(fault, given)
    room.able = able
    await room.inject()
    assert.deepEqual(room.orders(), [], why)
    assert.deepEqual(room.aborts, [[run, 'run.aborting', 'refused', why]])
  }
})

test('what joins is counted with all that was ordered, also what no agent has told of yet', async () => {
  const room = await ordered([pod('a', 'n1'), pod('b', 'n2')])
  room.answers.resolve = () => found([pod('c', 'n2')])
  await room.join(2, [pod('a')]) // n2 has not told of b
  assert.deepEqual(room.held(), ['pod:a', 'pod:b'])
  const [join] = room.commands('inject').slice(2)
  assert.ok(join)
  assert.deepEqual([join.fault, join.leftMs, join.widens], ['2-pod-pause.2', 10_000, undefined])
  await room.join(3, [pod('a')])
  assert.deepEqual(room.held(), ['pod:a', 'pod:b', 'pod:c'])
})

test('nothing joins a fault before each of its agents has answered, since one that refuses it ends the run', async () => {
  const answer = Promise.withResolvers<Reply<'inject'>>()
  const room = giveOrders(pausedPods, { resolve: () => found([pod('a', 'n1'), pod('b', 'n2')]), inject: to => to === 'n1' ? done : answer.promise })
  const injecting = room.inject()
  await room.join(2, [pod('a')])
  assert.equal(room.commands('resolve').length, 1, 'only the fault itself was searched for')
  answer.resolve(done)
  await injecting
  await room.join(2, [pod('a')])
  assert.equal(room.commands('resolve').length, 2)
})

test('who is refused is looked at again: it is not counted, and may be ordered as the next part', async () => {
  const room = await ordered([pod('a')])
  room.answers.resolve = () => found([pod('c', 'n2')])
  room.answers.inject = () => refused
  await room.join(2, [pod('a')])
  room.answers.inject = () => done
  await room.join(3, [pod('a')])
  assert.deepEqual(room.held(), ['pod:a'])
  assert.deepEqual(room.orders().slice(1), ['2-pod-pause.2 n2: pod:c', '2-pod-pause.3 n2: pod:c'])
  await room.join(4, [pod('a')])
  assert.deepEqual(room.held(), ['pod:a', 'pod:c'])
})

test('a fault that is refused by one of its agents stays counted whole, as the other may have it', async () => {
  const room = await ordered([pod('a', 'n1'), pod('b', 'n2')], { inject: to => to === 'n2' ? refused : done })
  room.answers.resolve = () => found([])
  await room.join(2, [])
  assert.deepEqual(room.held(), ['pod:a', 'pod:b'])
})

test('an order that widens what is held goes out with the new peers, and its refusal takes nothing from what was ordered', async () => {
  const room = giveOrders(cutOff, { resolve: () => found([pod('a')], { peers: ['10.0.0.9'] }) })
  await room.inject()
  room.answers.resolve = () => found([pod('a')], { peers: ['10.0.0.10'], widens: true })
  room.answers.inject = () => refused
  await room.join(2, []) // a itself is not on record yet
  const [, wider] = room.commands('inject')
  assert.deepEqual([wider?.widens, wider?.peers, wider?.targets.map(({ id }) => id)], [true, ['10.0.0.10'], ['pod:a']])
  await room.join(2, [])
  assert.deepEqual(room.held(), ['pod:a'])
})

test('an order whose answer is lost counts as obeyed', async () => {
  const room = giveOrders(pausedPods, { resolve: () => found([pod('a', 'n1'), pod('b', 'n2')]), inject: to => to === 'n2' ? unanswered() : done })
  await assert.rejects(room.inject(), CommandUnanswered)
  room.answers.resolve = () => found([pod('c', 'n2')])
  await assert.rejects(room.join(2, [pod('a')]), CommandUnanswered)
  assert.deepEqual(room.held(), ['pod:a', 'pod:b'])
  await assert.rejects(room.join(2, [pod('a')]), CommandUnanswered)
  assert.deepEqual(room.held(), ['pod:a', 'pod:b', 'pod:c'])
})

test('who is to do a fault is on record before anybody is told: who takes over knows whom to miss', async () => {
  const nodes = [pod('a', 'n1'), pod('b', 'n2'), pod('c', 'n1')]
  const room = giveOrders(pausedPods, { resolve: () => found(nodes), inject: () => { assert.equal(room.written.length, 1); return done } })
  await room.inject()
  assert.deepEqual(room.written, [{ fault: '2-pod-pause', kind: 'pod-pause', nodes: ['n1', 'n2'], epoch: first, atMs: room.nowMs }])
  room.answers.resolve = () => found([pod('d', 'n3')])
  room.able.push('n3')
  await room.join(2, nodes)
  assert.equal(room.orders().at(-1), '2-pod-pause.2 n3: pod:d')
  assert.equal(room.written.length, 1, 'a part that joins may be refused by who is gone')
})

test('where the order cannot be put on record, nobody is told', async () => {
  const room = giveOrders(pausedPods, { resolve: () => found([pod('a')]) })
  room.stores = () => Promise.reject(new FactNotStored('as the test says'))
  await assert.rejects(room.inject(), FactNotStored)
  assert.deepEqual(room.orders(), [])
})

test('a run that leaves its path, or a lead that is lost, while the order is put on record: nobody is told', async () => {
  const room = giveOrders(pausedPods, { resolve: () => found([pod('a')]) })
  room.stores = () => { room.mayBegin = false; return Promise.resolve() }
  await room.inject()
  const follower = giveOrders(pausedPods, { resolve: () => found([pod('a')]) })
  follower.stores = () => { follower.epoch = later; return Promise.resolve() }
  await assert.rejects(follower.inject(), NotLeading)
  assert.deepEqual([...room.orders(), ...follower.orders()], [])
})

test('a fault that is ordered twice is turned away by who has it, and both orders count', async () => {
  const room = await ordered([pod('a')])
  room.answers.inject = to => to === 'n1' ? { outcome: 'refused', why: 'it is held already' } : done
  room.answers.resolve = () => found([pod('c', 'n1'), pod('b', 'n2')])
  await room.inject() // nobody has told of the first in time
  room.answers.resolve = () => found([])
  await room.join(2, [])
  assert.deepEqual(room.held(), ['pod:a', 'pod:c', 'pod:b'])
})

test('a part that its agent holds already under that name gives back what the second order had added, and nothing of the first', async () => {
  const room = await ordered([pod('a')])
  room.answers.resolve = () => found([pod('b', 'n2')])
  await room.join(2, [pod('a')])
  room.answers.resolve = () => found([pod('c', 'n2')]) // the part is not on record, so the next has its number
  room.answers.inject = () => ({ outcome: 'refused', why: 'it is held already' })
  await room.join(2, [pod('a')])
  await room.join(2, [pod('a')])
  assert.deepEqual(room.held(), ['pod:a', 'pod:b'])
})

test('who takes over lets nothing join until no order of the leader before is good any more, and counts from the record then', async () => {
  const room = giveOrders(pausedPods, { resolve: () => found([pod('c', 'n2')]) })
  await room.join(2, [pod('a')])
  room.nowMs += goodForMs - 1
  await room.join(2, [pod('a')])
  assert.deepEqual(room.commands('resolve'), [])
  room.nowMs += 1
  await room.join(2, [pod('a'), pod('b')])
  assert.deepEqual(room.held(), ['pod:a', 'pod:b'])
  assert.deepEqual(room.orders(), ['2-pod-pause.2 n2: pod:c'])
  await room.join(3, [pod('a'), pod('b')])
  assert.deepEqual(room.held(), ['pod:a', 'pod:b', 'pod:c'])
})

test('who leads again begins like anybody who takes over: another may have led in between', async () => {
  const room = await ordered([pod('a')])
  room.epoch = later
  await room.join(2, [pod('a')])
  assert.equal(room.commands('resolve').length, 1)
  room.nowMs += goodForMs
  room.answers.resolve = () => found([])
  await room.join(2, [pod('b')]) // by the record; what it ordered itself the other knew nothing of
  assert.deepEqual(room.held(), ['pod:b'])
})

test('nothing is ordered when the lead was lost while targets were searched for, even if it was won again', async () => {
  for (const epoch of [undefined, later]) {
    const room = giveOrders(pausedPods, { resolve: () => { room.epoch = epoch; return found([pod('a')]) } })
    await assert.rejects(room.inject(), NotLeading)
    assert.deepEqual(room.orders(), [])
    const joining = await ordered([pod('a')])
    joining.answers.resolve = () => { joining.epoch = epoch; return found([pod('b')]) }
    await assert.rejects(joining.join(2, [pod('a')]), NotLeading)
    assert.equal(joining.orders().length, 1)
  }
})

test('whoever lost the lead while it searched aborts no run for want of targets: who leads now may have ordered them', async () => {
  for (const [fault, answer] of [[pausedPods, 'resolve'], [pausedWorkers, 'plan']] as const) {
    const room = giveOrders(fault, { [answer]: () => { room.epoch = later; return refused } })
    await assert.rejects(room.inject(), NotLeading)
    const left = giveOrders(fault, { [answer]: () => { left.mayBegin = false; return refused } })
    await left.inject()
    assert.deepEqual([...room.aborts, ...left.aborts], [], answer)
  }
})

test('a search that failed has ordered nobody: if the fault is there all the same, an earlier leader has done it', async () => {
  const room = giveOrders(pausedPods, { resolve: unanswered })
  await assert.rejects(room.inject(), CommandUnanswered)
  room.answers.resolve = () => found([])
  await room.join(2, [pod('a')])
  assert.equal(room.commands('resolve').length, 1)
  room.nowMs += goodForMs
  await room.join(2, [pod('a')])
  assert.equal(room.commands('resolve').length, 2)
})

test('nothing is ordered for a run that has left its path while targets were searched for', async () => {
  const room = giveOrders(pausedPods, { resolve: () => { room.mayBegin = false; return found([pod('a')]) } })
  await room.inject()
  assert.deepEqual([room.orders(), room.aborts], [[], []])
})

test('what would join for less than half a second is spared', async () => {
  const room = await ordered([pod('a')])
  room.answers.resolve = () => { room.nowMs += 1_501; return found([pod('b')]) }
  await room.join(2, [pod('a')], 2_000)
  assert.equal(room.orders().length, 1)
  room.answers.resolve = () => { room.nowMs += 1_500; return found([pod('b')]) }
  await room.join(2, [pod('a')], 2_000)
  assert.deepEqual(room.commands('inject').slice(1).map(({ leftMs }) => leftMs), [500])
})

test('what was ordered for a run that is over is forgotten when the next fault begins', async () => {
  const room = await ordered([pod('a')])
  room.mayBegin = false
  await room.inject()
  room.mayBegin = true
  room.answers.resolve = () => found([])
  await room.join(2, [pod('b')])
  room.nowMs += goodForMs
  await room.join(2, [pod('b')])
  assert.deepEqual(room.held(), ['pod:b'])
})
