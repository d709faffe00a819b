/** Two servers in network namespaces of their own, joined by one veth pair, to do faults to by the injector's own steps. As root. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { systemClock } from '#shared/clock.ts'
import { commandLine, readProcess, readProcesses } from '#shared/process/process-table.ts'
import { faultKinds } from '#shared/registry.ts'
import type { BoundProcess } from '#shared/target.ts'
import { newFaultWork, thisMachine, type FaultWork } from '../../services/injector/fault-work.ts'
import { openJournal } from '../../services/injector/journal.ts'
import { prepareStep, stepsFor } from '../../services/injector/process-steps.ts'
import { revertAll } from '../../services/injector/revert-all.ts'

const run = promisify(execFile)
export const addresses = { target: '10.211.0.1', peer: '10.211.0.2' } as const

/** A server in a namespace of its own; ready when it listens. What it is told on `listening` it has said. */
async function startServer(made: AsyncDisposableStack, script: string, resolvConf: string): Promise<number> {
  const child = spawn('unshare', ['--net', '--mount', 'sh', '-c', 'ip link set lo up && mount --bind "$0" /etc/resolv.conf && exec "$@"', resolvConf, process.execPath, '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  made.defer(() => void child.kill('SIGKILL'))
  for await (const _ of child.stdout) break
  assert.ok(child.pid)
  return child.pid
}

const serving = `
  const flood = Buffer.alloc(65536)
  const server = require('node:http').createServer((request, answer) => {
    if (request.url !== '/flood') return answer.end('here')
    const more = () => { while (answer.write(flood)) ; answer.once('drain', more) }
    more()
  })
  const names = require('node:dgram').createSocket('udp4')
  names.on('message', (query, { port, address }) => { const answer = Buffer.from(query); answer[2] |= 0x80; answer[3] = 0x85; names.send(answer, port, address) })
  names.bind(53, () => server.listen(8080, () => console.log('listening')))`

export async function stage() {
  await using made = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'network-faults-'))
  made.defer(() => rmSync(folder, { recursive: true }))
  const resolvConf = join(folder, 'resolv.conf')
  writeFileSync(resolvConf, `nameserver ${addresses.peer}\n`)
  const [target, peer] = await Promise.all([startServer(made, serving, resolvConf), startServer(made, serving, resolvConf)])
  const inside = (pid: number, ...argv: string[]) => run('nsenter', ['--target', String(pid), '--net', '--mount', ...argv])
  await run('ip', ['link', 'add', 'toPeer', 'netns', String(target), 'type', 'veth', 'peer', 'name', 'toTarget', 'netns', String(peer)])
  for (const [pid, device, address] of [[target, 'toPeer', addresses.target], [peer, 'toTarget', addresses.peer]] as const) {
    await inside(pid, 'ip', 'address', 'add', `${address}/24`, 'dev', device)
    await inside(pid, 'ip', 'link', 'set', device, 'up')
  }
  const state = join(folder, 'state')
  const journal = openJournal(state)
  made.defer(async () => {
    await revertAll(state)
    while (readProcesses().some(({ pid }) => commandLine(pid).includes(state))) await delay(20)
  })
  const owned = made.move()
  return {
    target, peer, state,
    ofTarget: async (...argv: string[]) => (await inside(target, ...argv)).stdout,
    /** What a program says in the namespace of one of them. */
    said: async (pid: number, program: string) => (await inside(pid, process.execPath, '--eval', program)).stdout.trim(),
    /** The lines that a program says there, one by one, while it goes on. It is killed when they are left. */
    async *lines(pid: number, program: string): AsyncGenerator<string, void> {
      const child = spawn('nsenter', ['--target', String(pid), '--net', '--mount', process.execPath, '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
      try {
        yield* createInterface(child.stdout)
      } finally {
        child.kill('SIGKILL')
      }
    },
    /** Nobody renews it: the lease is long enough for whatever is asked meanwhile, however slow this machine is, unless its end is what is waited for. */
    async inject(kind: string, parameters: object, { leaseMs = 50_000, peers = [] as string[] } = {}): Promise<FaultWork> {
      const spec = faultKinds.get(kind)?.item.parse({ kind, target: { process: { match: 'unused' } }, duration: '60s', ...parameters })
      assert.ok(spec)
      const bound: BoundProcess = { id: 'process:target', pid: target, startTicks: readProcess(target)?.startTicks ?? 0, description: 'the target' }
      const work = newFaultWork({
        run: 'r', fault: `1-${kind}`, spec, targets: [bound], peers, vouchers: {}, blastRadius: {} as never, journal, machine: thisMachine(state), clock: systemClock, onEndedEarly: () => undefined,
        driver: { kinds: [kind], plan: async () => [], prepare: async ({ id }) => stepsFor(spec, bound, { peers }).map((step, index) => prepareStep(step, bound, `${id}_${index}`)) },
      })
      const nowMs = systemClock.monotonicMs()
      await work.prepare({ leaseEndsMs: nowMs + leaseMs, endsMs: nowMs + 60_000 })
      const seen = await work.act()
      assert.ok(seen.verified, seen.readBack.join('; '))
      return work
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
