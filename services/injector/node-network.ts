import { readFileSync } from 'node:fs'
import type { PlannedTarget } from '#shared/commands.ts'
import type { FaultSpec, Step } from '#shared/fault.ts'
import { readProcess } from '#shared/process/process-table.ts'
import { FaultRefused } from './fault-refused.ts'
import { addTable, renewTable, type Table } from './network-deeds.ts'
import { namespaceOf, requireTool } from './network-namespace.ts'
import type { StepInHand } from './step-in-hand.ts'

/** The node's own network is that of its first process, which hostPID shows. */
const first = 1
type Nft = Step & { do: 'nft' }

/** The steps on the node's network that the fault's plan asks for. Throws FaultRefused. */
export function nodeSteps(spec: FaultSpec, peers: readonly string[]): Nft[] {
  const devices = outerDevices(readFileSync(`/proc/${first}/net/route`, 'utf8'), readIfThere(`/proc/${first}/net/ipv6_route`))
  if (devices.length === 0) throw new FaultRefused('no route of this node leads over a gateway, so that it cannot be told which of its devices lead off it')
  return spec.plan({ cpuCount: 0, devices, peers: [...peers], listening: [], nameservers: [], canDelay: false }).map(step => {
    if (step.do !== 'nft') throw new FaultRefused(`${spec.kind} cannot be done to a node`)
    return step
  })
}

/** Ready to be done; changes nothing yet. Throws FaultRefused. */
export function prepareOnNode(step: Nft, id: string): StepInHand {
  const namespace = namespaceOf(first)
  const startTicks = readProcess(first)?.startTicks
  if (namespace === undefined || startTicks === undefined || namespace === namespaceOf('self')) {
    throw new FaultRefused('the network of the node cannot be seen from here; the agent needs hostPID, and a network of its own')
  }
  const undo: Table = { undo: 'delete-table', nft: requireTool('nft'), nsenter: requireTool('nsenter'), table: `faultline_${id}`, namespace, process: { pid: first, startTicks } }
  return { undo, act: async ({ requireTimeLeft }) => addTable(undo, step, requireTimeLeft()), renew: remainingMs => renewTable(undo, step, remainingMs) }
}

export function describeOnNode(step: Nft): PlannedTarget['steps'][number] {
  return {
    lease: step.lease, undo: `nsenter -t ${first} -n nft delete table netdev faultline_<id>`,
    act: `nsenter -t ${first} -n nft -f - <<'END'\ntable netdev faultline_<id> {\n  set ${step.leaseSet} { type ifname; flags timeout; }${step.rules}\n}\nEND`,
  }
}

/**
 * Devices over which a route with a gateway leads, by texts such as /proc/net/route and /proc/net/ipv6_route: those of the machine, and tunnels to other
 * nodes. To its own pods a node routes without a gateway. Pure.
 */
export function outerDevices(route: string, route6: string): string[] {
  const found = route.split('\n').slice(1).flatMap(line => {
    const [device = '', , gateway = '00000000'] = line.trim().split(/\s+/)
    return gateway === '00000000' ? [] : [device]
  })
  const found6 = route6.split('\n').flatMap(line => {
    const columns = line.trim().split(/\s+/)
    const [nextHop = '', device = ''] = [columns[4], columns[9]]
    return /^0*$/.test(nextHop) ? [] : [device]
  })
  return [...new Set([...found, ...found6])].filter(device => device !== '' && device !== 'lo').sort()
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // a kernel without IPv6
  }
}
