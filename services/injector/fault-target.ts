import { readFileSync } from 'node:fs'
import type { FaultTarget } from '#shared/fault.ts'
import { networkDevices } from './network-namespace.ts'
import { allowedCpus, countCpus } from './process-deeds.ts'
import { kernelCanDelay } from './queue-deeds.ts'

/** What a plan may ask of its target. What few plans ask for is looked up when they do. `pid`: any process in its network namespace. */
export function faultTargetOf({ pid, files, peers }: { pid: number; files: number; peers: readonly string[] }): FaultTarget {
  return {
    cpuCount: countCpus(allowedCpus(pid)), devices: networkDevices(pid), peers: [...peers],
    get listening() { return [...new Set(['tcp', 'tcp6'].flatMap(table => listeningPorts(readFileSync(`/proc/${pid}/net/${table}`, 'utf8'))))].sort((a, b) => a - b) },
    get nameservers() { return nameserversIn(readFileSync(`/proc/${files}/root/etc/resolv.conf`, 'utf8')) },
    get canDelay() { return kernelCanDelay() },
  }
}

/** Ports in the state LISTEN (0A), loopback's left out, by a text such as /proc/net/tcp (proc_pid_net_tcp(5)). Pure. */
export function listeningPorts(table: string): number[] {
  return table.split('\n').flatMap(line => {
    const [, address = '', port = ''] = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ 0A /.exec(line) ?? []
    const isLoopback = address.endsWith('7F') && address.length === 8 || address === '00000000000000000000000001000000'
    return port === '' || isLoopback ? [] : [Number.parseInt(port, 16)]
  })
}

/** By a text such as /etc/resolv.conf (resolv.conf(5)). Pure. */
export const nameserversIn = (text: string): string[] => [...text.matchAll(/^nameserver\s+(\S+)/gm)].map(([, address = '']) => address)
