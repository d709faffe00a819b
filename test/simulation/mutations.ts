import type { Mutation } from '../parts/mutation.ts'

/**
 * Mistakes of the kind that other tools have been found to make, and such as would be easy to make here. Each is put back into the real sources, alone,
 * and the simulation must see it. A mutation that no seed catches is a hole in the invariants or in what is simulated.
 */
export interface Mistake extends Mutation {
  /** Whose, or which promise it breaks. */
  why: string
  /** A seed shortly before one that catches it, for those that few seeds do: it saves time, and is right as long as one is found. */
  near?: number
  /** Seeds of gentle.ts see it: nothing is done that should not be, but a run is given up without need. */
  isGentle?: boolean
}

const agent = 'services/injector/core.ts'
const work = 'services/injector/fault-work.ts'
const scheduler = 'services/scheduler/core.ts'

export const mutations: readonly Mistake[] = [
  {
    name: 'undo journaled after the act', near: 560, why: 'a helper that is killed in between leaves its rules (Litmus #2359)',
    changes: [
      { file: work, find: '      journal.write(entry)\n      if (spec.durationMs', put: '      journal.write({ ...entry, undos: [] })\n      if (spec.durationMs' },
      { file: work, find: '          entry.undos[index] = undo\n          journal.write(entry)\n', put: '          entry.undos[index] = undo\n' },
      { file: work, find: '        done.push(step)\n', put: '        done.push(step)\n        journal.write(entry)\n' },
    ],
  },
  {
    name: 'no reverter', why: 'expiry is decided by the agent alone, and what it holds stays when it is gone (Chaos Mesh: by the controller alone)',
    changes: [{ file: 'services/injector/reverter-life.ts', find: 'if (cause !== undefined) await revert(cause)', put: 'if (cause !== undefined) return' }],
  },
  {
    name: 'the agent ends nothing by itself', why: 'only a command ends a fault: a lease that nobody holds to',
    changes: [
      { file: agent, find: "    case 'tick': return each(state, [...state.faults.values()], (now, fault) => tick(now, fault, nowMs))", put: "    case 'tick': return nothing(state)" },
      { file: 'services/injector/reverter-life.ts', find: 'const graceMs = 300', put: 'const graceMs = 3_000' },
    ],
  },
  {
    name: 'a lapsed lease is renewed', why: 'a bare add to a set brings an expired element back (nftables)',
    changes: [
      { file: agent, find: 'if (nowMs >= endOf(fault)) return tick(now, fault, nowMs) // what has lapsed is never renewed', put: '' },
      { file: agent, find: 'endOf(fault)) return nothing(state)', put: 'fault.endsMs) return nothing(state)' },
      { file: 'services/injector/reverter-life.ts', find: 'const end = Math.min(leaseEndsMs, endsMs ?? Number.POSITIVE_INFINITY)', put: 'const end = endsMs ?? leaseEndsMs' },
    ],
  },
  {
    name: 'a late act goes on', near: 11_240, why: 'who was stopped in the middle of an act goes on with it when the fault has been ended',
    changes: [{ file: work, find: 'if (leftMs <= 0) throw', put: 'if (leftMs < -60_000) throw' }],
  },
  {
    name: 'rollbacks skipped on abort', why: 'the default strategy of Chaos Toolkit when a run failed or was interrupted',
    changes: [{ file: agent, find: "const ended = each(buried.state, ofRun(buried.state, run), (now, fault) => end(now, fault, 'abort', 'the run was aborted before it was there'))", put: 'const ended = nothing(buried.state)' }],
  },
  {
    name: 'tombstones are not kept', why: 'an inject that an abort has overtaken is done',
    changes: [{ file: agent, find: "if (state.tombstones.includes(input.run)) return 'the run was aborted before it came'", put: '' }],
  },
  {
    name: 'tombstones are not on disk', near: 3_000, why: 'an agent that starts again forgets who was aborted',
    changes: [{ file: 'services/injector/service.ts', find: 'tombstones: memory.tombstones }', put: 'tombstones: [] }' }],
  },
  {
    name: 'a fault may be done twice', near: 645, why: 'a command that comes again is obeyed again',
    changes: [{ file: agent, find: "if (state.tombstones.includes(keyOf(input))) return { state, effects: [{ effect: 'turn-away', run, fault, why: 'it has ended already' }] }", put: '' }],
  },
  {
    name: 'epochs are not compared', why: 'a leader that was stopped wakes up and commands on',
    changes: [{ file: agent, find: "if (isOlderEpoch(epoch, state.highestEpoch)) return { state, effects: [{ effect: 'turn-away',", put: "if (isOlderEpoch(epoch, undefined)) return { state, effects: [{ effect: 'turn-away'," }],
  },
  {
    name: 'old renewals count', why: 'who has heard a renewal sends it again, and keeps the fault when nobody else does',
    changes: [{ file: 'services/injector/renewals.ts', find: 'sentAtMs <= known.sentAtMs) return', put: 'sentAtMs < 0) return' }],
  },
  {
    name: 'the leader trusts its lease for too long', why: 'two schedulers act at once while one is cut off',
    changes: [{ file: 'services/scheduler/lease.ts', find: 'actsMs: 900', put: 'actsMs: 2_500' }],
  },
  {
    name: 'an empty lease is free', why: 'its bucket was lost, and a leader does not know of it yet',
    changes: [{ file: 'services/scheduler/lease.ts', find: '  record?.released === true ||', put: '  record === undefined || record.released === true ||' }],
  },
  {
    name: 'one empty lease is as good as another', near: 8_001, why: 'its bucket was lost again, and who saw the one before empty leads beside who took that',
    changes: [{ file: 'services/scheduler/lease.ts', find: 'over: { revision, emptyAt }, record', put: 'over: { revision }, record' }],
  },
  {
    name: 'dates ahead are waited for', near: 12_481, why: 'a leader whose clock is an hour ahead is followed by one whose clock is right',
    changes: [{ file: 'services/scheduler/service.ts', find: 'inOwnTime(told, dated.get(told.run), nowMs)', put: 'told' }],
  },
  {
    name: 'deadlines are not kept', why: 'a command that was on its way for ever is still obeyed',
    changes: [{ file: agent, find: 'if (nowMs > input.deadlineMs) return', put: 'if (nowMs > input.deadlineMs + 60_000) return' }, { file: agent, find: "if (state.tombstones.includes(input.run)) return 'the run was aborted before it came'", put: '' }],
  },
  {
    name: 'recycled PID', why: 'a PID alone names a process, and after a crash loop another one (Chaos Mesh #4827)',
    changes: [{ file: 'test/simulation/sim-kernel.ts', find: 'return task?.startTicks === startTicks ? task : undefined', put: 'return startTicks > 0 ? task : undefined' }],
  },
  {
    name: 'shared targets are not refused', why: 'two faults stop one process, and the first undo ends both',
    changes: [{ file: agent, find: 'if (input.alone !== undefined && input.alone === other.alone) return', put: 'if (input.alone === undefined && input.alone !== other.alone) return' }, { file: 'test/simulation/sim-drivers.ts', find: "if (demandTask(options, target).state === 'T') throw", put: "if (demandTask(options, target).state === 'Z') throw" }],
  },
  {
    name: 'the blast radius is not checked', why: 'a target that names everybody hits everybody',
    changes: [{ file: 'shared/blast-radius.ts', find: 'if (taken > maxTargets) return', put: 'if (taken > maxTargets + 100) return' }],
  },
  {
    name: 'what is ordered is not counted', why: 'more joins a fault of which some targets are not on record yet, and it has more than its cap',
    changes: [{ file: 'services/scheduler/fault-orders.ts', find: '[...joining.held, ...standing.targets]', put: 'joining.held' }],
  },
  {
    name: 'a repeated quarantine forgets', near: 765, why: 'what could not be undone is given up after one try',
    changes: [{ file: agent, find: "case 'quarantined': return nowMs >= fault.retryAtMs ? end(state, fault, fault.cause, fault.why) : nothing(state)", put: "case 'quarantined': return nothing(state)" }, { file: 'services/injector/reverter-life.ts', find: 'most: 600', put: 'most: 1' }],
  },
  {
    name: 'released before it is told', near: 95, why: 'a crash between the undo and its announcement: nobody ever hears of it',
    changes: [{ file: 'services/injector/service.ts', find: 'return tellings.add(key, async () => { if (!isStopped()) await held?.release() })', put: 'return void held?.release()' }],
  },
  {
    name: 'zero targets pass', why: 'zero targets is not a failure (Chaos Mesh); no data, assuming pass (Krkn)',
    changes: [
      { file: scheduler, find: "if (phases.inject !== undefined && nodes.size === 0 && nowMs > steadyAtMs + spec.atMs + patience.injectMs) return abort(", put: "if (phases.inject === undefined && nodes.size === 0 && nowMs < 0) return abort(" },
      { file: 'services/scheduler/fault-orders.ts', find: 'if (orders.length === 0) {\n', put: 'if (orders.length < 0) {\n' },
      { file: scheduler, find: 'const sinceMs = firstInjectedAtMs(state)\n  if (sinceMs === undefined ||', put: 'const sinceMs = firstInjectedAtMs(state) ?? state.phases.inject\n  if (sinceMs === undefined ||' },
      { file: scheduler, find: 'isJoined(id) || nodes.size > 0 && silentOf', put: 'isJoined(id) || silentOf' },
      { file: 'shared/verdict.ts', find: "if (injectedAtMs === null) missing.push(`${id} was never confirmed as injected${node === '' ? '' : ` on ${node}`}`)\n    else if", put: 'if' },
    ],
  },
  {
    name: 'who was told is forgotten', why: 'one of two agents is gone, and with it the leader that has told both: the other\'s half of the fault passes for the whole',
    changes: [{ file: 'shared/fault-order.ts', find: 'order?.nodes.filter(node => !heard.has(node)) ?? []', put: 'order?.nodes.filter(node => heard.has(node) && node === \'\') ?? []' }],
  },
  {
    name: 'no data passes', near: 120, why: 'no data, assuming pass (Krkn); no samples, no failure (k6); terminated without a measurement, successful (Argo Rollouts)',
    changes: [{ file: 'shared/gate-watch.ts', find: 'const readableShare = 0.9', put: 'const readableShare = 0' }, { file: 'shared/gate-watch.ts', find: 'endMs - lastReadableMs >= watch.gate.noDataAfterMs', put: 'endMs < 0' }],
  },
  {
    name: 'looks after the phase count', near: 21_870, why: 'what was seen later makes up for what could not be seen while the fault was there',
    changes: [{ file: 'shared/gate-core.ts', find: 'if (!folded.watches.some(hasOverrun)) return folded', put: 'if (folded.watches.some(hasOverrun)) return folded' }],
  },
  {
    name: 'a breach is overlooked', why: 'the limit is broken for as long as it takes, and nobody acts on it',
    changes: [{ file: 'shared/gate-watch.ts', find: ': breakingInARow >= gate.consecutive', put: ': breakingInARow > 1_000' }, { file: 'shared/gate-watch.ts', find: 'if (broken >= watch.gate.consecutive) return', put: 'if (broken > 1_000) return' }],
  },
  {
    name: 'an early end passes', near: 551, why: 'a fault that was there for a moment has asked no question',
    changes: [{ file: 'shared/verdict.ts', find: '  missing.push(...endedEarly(experiment, faults))\n', put: '' }],
  },
  {
    name: 'a lapse passes', why: 'a lease that ran out in the middle is taken for the end of the fault',
    changes: [{ file: 'shared/verdict.ts', find: "case 'fault.lapsed': return inconclusive(", put: "case 'fault.lapsed': return undefined ?? noted(" }, { file: 'shared/verdict.ts', find: 'interface Decided {', put: 'const noted = (_: string): undefined => undefined\ninterface Decided {' }, { file: scheduler, find: "if (held.at === 'lapsed' || (held.at === 'reverted' && held.cause === 'lease')) return abort(", put: "if (held.at === 'lapsed' && nowMs < 0) return abort(" }, { file: 'shared/verdict.ts', find: '  missing.push(...endedEarly(experiment, faults))\n', put: '' }],
  },
  {
    name: 'the verdict depends on the order', why: 'a replay of the same facts gives another verdict',
    changes: [{ file: 'shared/verdict-log.ts', find: '.sort((a, b) => a.stream - b.stream)', put: '' }],
  },
  {
    name: 'the evaluator judges what it has, and more', why: 'facts after the seal count',
    changes: [{ file: 'shared/verdict-log.ts', find: 'return sealed === -1 ? sorted : sorted.slice(0, sealed + 1)', put: 'return sorted' }],
  },
  {
    name: 'halt is forgotten', why: 'who starts anew has not heard that everything is stopped',
    changes: [{ file: 'services/scheduler/service.ts', find: 'return lever.take(stored)', put: 'return isReady ? lever.take(stored) : undefined' }],
  },
  {
    name: 'the agent looks for no halt file', why: 'with NATS down no word reaches it, and after a start it has forgotten what it heard',
    changes: [{ file: 'services/injector/service.ts', find: 'const found = findHalt()', put: 'const found = undefined as ReturnType<typeof findHalt>' }],
  },
  {
    name: 'halt stops no run', why: 'new runs are refused, and those under way go on',
    changes: [
      { file: 'services/scheduler/service.ts', find: 'if (now.halted && !state.abort && state.sealedAtMs === undefined) return undertake', put: 'if (now.halted && !state.abort && state.sealedAtMs !== undefined) return undertake' },
      { file: 'services/scheduler/service.ts', find: 'if (renewing(state) && !now.halted) heartbeat', put: 'if (renewing(state)) heartbeat' },
    ],
  },
  {
    name: 'who lost the lead gives the run up', near: 380, isGentle: true, why: 'a leader that was stopped while it searched for targets finds them hit, by the order of the one that has followed it; each of the two defences is enough here',
    changes: [
      { file: 'services/scheduler/fault-orders.ts', find: '      if (!mayOrder(run, epoch)) return\n      if (orders.length === 0) {', put: '      if (orders.length === 0) {' },
      { file: 'services/injector/service.ts', find: "if (held) return { outcome: 'done', node, targets", put: "if (held?.run === '') return { outcome: 'done', node, targets" },
    ],
  },
  {
    name: 'a run waits for a node for ever', near: 700, why: 'a node that never comes back keeps the load running',
    changes: [{ file: scheduler, find: 'nowMs > phases.revert + experiment.leaseMs + patience.revertMs', put: 'nowMs < 0' }],
  },
]
