import { messageOf } from '#shared/errors.ts'
import type { LeasedRules } from '#shared/fault.ts'
import type { BoundProcess } from '#shared/target.ts'
import type { Undo } from './journal.ts'
import { enterable, requireOwnNetwork, requireTool, runIn } from './network-namespace.ts'
import { requireProcess } from './process-deeds.ts'
import type { Seen, StepInHand } from './step-in-hand.ts'

export type Table = Undo & { undo: 'delete-table' }

/** Throws FaultRefused unless this agent may and can change the target's network, and the network is the target's own. */
export function prepareNft(step: LeasedRules, target: BoundProcess, id: string): StepInHand {
  const undo = tableFor(step, target, id)
  return {
    undo,
    async act({ requireTimeLeft }) {
      requireProcess(target)
      return addTable(undo, step, requireTimeLeft())
    },
    renew: remainingMs => renewTable(undo, step, remainingMs),
  }
}

/** Throws FaultRefused as `prepareNft` does. Changes nothing. */
export function tableFor({ family }: LeasedRules, target: BoundProcess, id: string): Table {
  return { undo: 'delete-table', ...(family && { family }), nft: requireTool('nft'), table: `faultline_${id}`, ...requireOwnNetwork(target) }
}

/** `ports`: what the rules call `$port0` and so on. */
export async function addTable(undo: Table, step: LeasedRules, remainingMs: number, ports: readonly number[] = []): Promise<Seen> {
  await nft(undo, ['-f', '-'], ports.map((port, index) => `define port${index} = ${port}\n`).join('') + newTable(step, undo, remainingMs))
  return readLease(undo, step)
}

/** Rules and lease come in one transaction: there is no moment with the one and without the other. */
function newTable({ rules, leaseSet, leased }: LeasedRules, undo: Table, remainingMs: number): string {
  return `table ${printTable(undo)} {
  set ${leaseSet} {
    type ifname
    flags timeout
    elements = { ${elements(leased, remainingMs)} }
  }${rules}
}
`
}

/**
 * A bare `add` on a live element answers 0 and goes on counting down, so each is deleted and added in one transaction. When one is
 * gone the whole transaction fails (ENOENT): the lease has lapsed, and is not made again.
 */
export async function renewTable(undo: Table, { leaseSet, leased }: LeasedRules, remainingMs: number): Promise<'renewed' | 'lapsed'> {
  if (remainingMs < 1) return 'lapsed'
  const names = leased.map(device => `"${device}"`).join(', ')
  const set = `${printTable(undo)} ${leaseSet}`
  try {
    await nft(undo, ['-f', '-'], `delete element ${set} { ${names} }\nadd element ${set} { ${elements(leased, remainingMs)} }\n`)
    return 'renewed'
  } catch (error) {
    if (saysGone(error)) return 'lapsed'
    throw error
  }
}

async function readLease(undo: Table, { leaseSet, leased }: LeasedRules): Promise<Seen> {
  const text = await nft(undo, ['list', 'set', familyOf(undo), undo.table, leaseSet])
  const expires = new Map([...text.matchAll(/"([^"]+)" timeout \S+ expires ([0-9a-z]+)/g)].map(([, device = '', time = '']) => [device, time]))
  return { verified: leased.every(device => expires.has(device)), readBack: leased.map(device => `${undo.table} ${device} expires ${expires.get(device) ?? 'not there'}`) }
}

/** Deletes the fault's own table in whatever process still holds its namespace. Repeatable. */
export async function deleteTable(undo: Table): Promise<Seen> {
  if (!enterable(undo)) return { verified: true, readBack: [`no process is left in ${undo.namespace}: its rules went with it, or end with their lease`] }
  try {
    await nft(undo, ['delete', 'table', familyOf(undo), undo.table])
  } catch (error) {
    if (!saysGone(error)) return { verified: false, readBack: [messageOf(error)] }
  }
  const tables = await nft(undo, ['list', 'tables', familyOf(undo)])
  const isThere = tables.split('\n').includes(`table ${printTable(undo)}`)
  return { verified: !isThere, readBack: [`${undo.table} ${isThere ? 'is still there' : 'gone'}`] }
}

const nft = (undo: Table, args: string[], input = ''): Promise<string> => runIn(undo, [undo.nft, ...args], input)
const familyOf = ({ family = 'netdev' }: { family?: 'netdev' | 'inet' }) => family
const printTable = (undo: Table) => `${familyOf(undo)} ${undo.table}`
const elements = (devices: readonly string[], remainingMs: number) => devices.map(device => `"${device}" timeout ${Math.max(1, Math.round(remainingMs))}ms`).join(', ')
const saysGone = (error: unknown) => messageOf(error).includes('No such file or directory')
