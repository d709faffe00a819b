import { spawnSync } from 'node:child_process'
import { messageOf } from '#shared/errors.ts'
import type { Step } from '#shared/fault.ts'
import type { BoundProcess } from '#shared/target.ts'
import { FaultRefused } from './fault-refused.ts'
import type { Undo } from './journal.ts'
import { addTable, deleteTable, renewTable, tableFor } from './network-deeds.ts'
import { enterable, requireTool, runIn, type NetworkNamespace } from './network-namespace.ts'
import { requireProcess } from './process-deeds.ts'
import type { Seen, StepInHand } from './step-in-hand.ts'

/** Of our root on each device. Under it the class that packets are steered into, and below that the leaf. */
export const queueHandle = 'fa17:'
const delayClass = `${queueHandle}10`
const leafHandle = 'fa18:'
/** A class of HTB must have a rate: one that no veth reaches, with a burst of its own, since tc's default at this rate is next to nothing. */
const unlimited = '100gbit'
const triedWithinMs = 3_000

type DelayQueue = Step & { do: 'delay-queue' }
interface Queues { namespace: NetworkNamespace; tc: string; devices: string[] }

/** What `tc -j qdisc show` says of one. */
interface Qdisc { kind: string; handle: string; root?: boolean; dev: string }

/**
 * A queue first, which nobody is led into, then the rules that lead packets into it under the lease: when that lapses, packets pass the queue by.
 * A root qdisc that somebody has put on a device is kept, and the fault refused. It may be another fault's, whose target shares the network namespace: so a
 * device is journaled when its root is about to be made, and not before.
 */
export function prepareDelayQueue(step: DelayQueue, target: BoundProcess, id: string): StepInHand {
  const table = tableFor(step, target, id)
  const { namespace, process, nsenter } = table
  const queues: Queues = { namespace: { namespace, process, nsenter }, tc: requireTool('tc'), devices: step.leased }
  const undoOf = (devices: string[]): Undo => ({ undo: 'delete-queues', table, tc: queues.tc, devices })
  return {
    undo: undoOf([]),
    async act({ requireTimeLeft, record }) {
      requireProcess(target)
      for (const device of queues.devices) await requireDefaultRoot(queues, device)
      const ours: string[] = []
      for (const device of queues.devices) {
        const [root = [], ...below] = queueCommands(step, device)
        record(undoOf([...ours, device]))
        await runIn(queues.namespace, [queues.tc, ...root]).catch((error: unknown) => {
          if (saysTaken(error)) record(undoOf(ours)) // by another fault meanwhile, whose root bears the same handle: it is not ours to delete
          throw error
        })
        ours.push(device)
        for (const argv of below) await runIn(queues.namespace, [queues.tc, ...argv])
      }
      const seen = await addTable(table, step, requireTimeLeft())
      const roots = await Promise.all(queues.devices.map(async device => ({ device, leaf: (await qdiscsOf(queues, device)).find(({ handle }) => handle === leafHandle) })))
      return {
        verified: seen.verified && roots.every(({ leaf }) => leaf?.kind === 'netem'),
        readBack: [...roots.map(({ device, leaf }) => `${device} qdisc ${leafHandle} ${leaf?.kind ?? 'not there'}`), ...seen.readBack],
      }
    },
    renew: remainingMs => renewTable(table, step, remainingMs),
  }
}

/** tc's words for EEXIST, of kernels that explain it and of those that do not. */
const saysTaken = (error: unknown) => /Exclusivity flag on|NLM_F_REPLACE needed|File exists/.test(messageOf(error))

/** As given to tc, one device's, the root first. Pure. */
export function queueCommands({ delayMs, jitterMs }: DelayQueue, device: string): string[][] {
  return [
    ['qdisc', 'add', 'dev', device, 'root', 'handle', queueHandle, 'htb', 'default', '0'], // 0: what is not steered is sent at once
    ['class', 'add', 'dev', device, 'parent', queueHandle, 'classid', delayClass, 'htb', 'rate', unlimited, 'burst', '1mb', 'cburst', '1mb', 'quantum', '60000'],
    ['qdisc', 'add', 'dev', device, 'parent', delayClass, 'handle', leafHandle, 'netem', 'limit', '100000', 'delay', `${delayMs}ms`, ...(jitterMs > 0 ? [`${jitterMs}ms`] : [])],
  ]
}

async function requireDefaultRoot(queues: Queues, device: string): Promise<void> {
  const root = (await qdiscsOf(queues, device)).find(qdisc => qdisc.root && qdisc.handle !== '0:') // 0: is what the kernel puts there
  if (root) throw new FaultRefused(`${device} has the root qdisc ${root.kind} ${root.handle}, which somebody put there and which is kept; two cannot share a root`)
}

/** Rules first, then the root qdiscs that are ours, by their handle. Repeatable. */
export async function deleteQueues({ table, tc, devices }: Undo & { undo: 'delete-queues' }): Promise<Seen> {
  const rules = await deleteTable(table)
  if (!enterable(table)) return rules // the devices went with the namespace
  const queues: Queues = { namespace: table, tc, devices }
  const left = await Promise.all(devices.map(async device => {
    const isOurs = async () => (await qdiscsOf(queues, device)).some(({ root, handle }) => root && handle === queueHandle)
    try {
      if (await isOurs()) await runIn(table, [tc, 'qdisc', 'del', 'dev', device, 'root'])
      return { device, why: await isOurs() ? 'is still there' : undefined }
    } catch (error) {
      return messageOf(error).includes('Cannot find device') ? { device, why: undefined } : { device, why: messageOf(error) }
    }
  }))
  return { verified: rules.verified && left.every(({ why }) => why === undefined), readBack: [...rules.readBack, ...left.map(({ device, why }) => `${device} qdisc ${queueHandle} ${why ?? 'gone'}`)] }
}

async function qdiscsOf({ namespace, tc }: Queues, device: string): Promise<Qdisc[]> {
  return JSON.parse(await runIn(namespace, [tc, '-j', 'qdisc', 'show', 'dev', device]) || '[]') as Qdisc[]
}

let tried: boolean | undefined
/** Whether this kernel has both queues: tried once, in a new network namespace that ends with the attempt. */
export function kernelCanDelay(): boolean {
  tried ??= spawnSync('unshare', ['--net', 'sh', '-c', tryQueues, requireTool('tc')], { timeout: triedWithinMs, stdio: 'ignore' }).status === 0
  return tried
}

const tryQueues = `"$0" qdisc add dev lo root handle 1: htb &&
  "$0" class add dev lo parent 1: classid 1:1 htb rate 1gbit && "$0" qdisc add dev lo parent 1:1 netem delay 1ms`
