import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '#shared/clock.ts'
import type { Bus } from '#shared/bus.ts'
import { readProcess } from '#shared/process/process-table.ts'
import type { Bench } from './bench.ts'
import { targetPlan } from './children.ts'
import { head, median, p99, printMs, row } from './figures.ts'
import { epoch, factsOf, startStage } from './stage.ts'
import { seenStopped } from './stop-watch.ts'

const mostMedianMs = 50
const node = 'bench'
const fault = '1-pause'
const item = { kind: 'pause', target: { process: { match: 'backend.ts' } }, at: '0s', duration: '20s' }
const patienceMs = 10_000
/** A scheduler says so from the moment in which it takes the run on, and is busy with its load and its steady phase before any fault: for seconds, here less. */
const heardForMs = 1_500
const heartbeatMs = 1_000

/**
 * From the command on its way to the agent until the agent has acted, read back and said so; and until the target is seen to be stopped, from outside. In
 * between the undo is on disk and the reverter, a process of its own, is there. First of runs that the agent has never heard of, then with the heartbeats of a
 * run, as a scheduler sends them.
 */
export const injection: Bench = {
  name: 'injection',
  summary: 'from the command to the verified injection of a pause',
  async run({ runs, print, tell, signal }) {
    await using stage = await startStage()
    const { folder, journal, children, bus } = stage
    const backend = await children.start(await targetPlan(folder, 'backend', 'backend'))
    await stage.start('injector', { 'injector.node': node, 'injector.stateFolder': journal, 'injector.parents': `backend=${backend.pid}` })
    const target = { pid: backend.pid, startTicks: readProcess(backend.pid)?.startTicks ?? 0 }
    const unheard: Injection[] = []
    const heard: Injection[] = []
    for (let index = 1; index <= runs; index += 1) {
      if (index % 10 === 0) tell(`injection ${index} of ${runs}, without heartbeats`)
      unheard.push(await injectOnce(`unheard-${index}`))
    }
    for (let index = 1; index <= runs; index += 1) {
      if (index % 10 === 0) tell(`injection ${index} of ${runs}`)
      heard.push(await hearing(`heard-${index}`, injectOnce))
    }
    const medianMs = median(heard.map(({ verifiedMs }) => verifiedMs))
    print('A pause of one process, by an agent that is a process of its own; from the moment in which the command is sent.\n')
    print(head('until', 'median', 'p99', 'bar'))
    const measured = (name: string, ms: number[], bar = '–') => print(row(name, printMs(median(ms)), printMs(p99(ms)), bar))
    measured('verified: the agent has read it back and answered', heard.map(({ verifiedMs }) => verifiedMs), `median at most ${printMs(mostMedianMs)}`)
    measured('the target was seen to be stopped, from outside', heard.map(({ stoppedMs }) => stoppedMs))
    measured('verified, by an agent that had heard of no run', unheard.map(({ verifiedMs }) => verifiedMs))
    return medianMs <= mostMedianMs ? [] : [`command to verified injection: a median of ${printMs(medianMs)}, not ${printMs(mostMedianMs)}`]

    async function hearing(run: string, act: (run: string) => Promise<Injection>): Promise<Injection> {
      const beat = () => bus.signal('heartbeat', run, { run, epoch, leaseMs: patienceMs, sentAtMs: Date.now() })
      beat()
      const beating = setInterval(beat, heartbeatMs)
      try {
        await delay(heardForMs, undefined, { signal })
        return await act(run)
      } finally {
        clearInterval(beating)
      }
    }

    async function injectOnce(run: string): Promise<Injection> {
      signal.throwIfAborted()
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(2 * patienceMs)])
      const plan = await bus.request('plan', node, { run, fault, item }, { timeoutMs: patienceMs })
      if (plan.outcome === 'refused') throw new Error(`the agent has no plan: ${plan.why}`)
      const targets = plan.targets.map(planned => planned.target)
      const sentMs = systemClock.monotonicMs()
      const stopped = seenStopped(target, true, inTime)
      stopped.catch(() => undefined) // awaited below, unless the agent refuses
      const reply = await bus.request('inject', node, { run, fault, item, targets, peers: [], vouchers: {}, epoch, deadlineMs: Date.now() + patienceMs, leaseMs: patienceMs }, { timeoutMs: patienceMs })
      const verifiedMs = systemClock.monotonicMs() - sentMs
      if (reply.outcome !== 'done') throw new Error(`the agent has not injected: ${reply.why}`)
      const stoppedMs = await stopped - sentMs
      await bus.request('revert', node, { run, fault }, { timeoutMs: patienceMs })
      await demandVerified(bus, run, inTime)
      return { verifiedMs, stoppedMs }
    }
  },
}

interface Injection { verifiedMs: number; stoppedMs: number }

/** Waits for the fault's end. What was not read back as there, and as gone, was not measured. */
async function demandVerified(bus: Bus, run: string, signal: AbortSignal): Promise<void> {
  for await (const { kind, fact } of factsOf(bus, run, ['fault.injected', 'fault.reverted'], signal)) {
    if (kind !== 'fault.injected' && kind !== 'fault.reverted') continue
    if (!fact.data.verified) throw new Error(`${kind} of ${run} was not verified: ${fact.data.readBack.join(', ')}`)
    if (kind === 'fault.reverted') return
  }
}
