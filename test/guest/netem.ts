/** network-latency by the kernel's own queue: runs in the guest (test/guest/guest.ts), whose kernel has sch_netem. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { commandLine, readProcesses } from '#shared/process/process-table.ts'
import { toolPath } from '#shared/tools.mjs'
import { kernelCanDelay } from '../../services/injector/queue-deeds.ts'
import { addresses, stage } from '../parts/network-stage.ts'

const [delayMs, jitterMs] = [150, 20]
const [nft, tc] = [toolPath('nft'), toolPath('tc')]

/** The shortest of some: this machine is slow. Over one connection that is open before anything is done, and over UDP. */
const roundTrips = (address: string) => `
  const { connect } = require("node:net"), { createSocket } = require("node:dgram")
  const shortest = async once => { let best = Infinity; for (let n = 0; n < 10; n++) { const began = performance.now(); await once(); best = Math.min(best, performance.now() - began) } return Math.round(best) }
  const socket = connect(8080, "${address}"), names = createSocket("udp4")
  socket.on("connect", async () => {
    const tcp = await shortest(() => new Promise(done => { socket.once("data", done); socket.write("GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n") }))
    const udp = await shortest(() => new Promise(done => { names.once("message", done); names.send(Buffer.from("123401000001000000000000046e616d6504746573740000010001", "hex"), 53, "${address}") }))
    console.log(JSON.stringify({ tcp, udp })); process.exit()
  })`

// Node.js takes ten seconds to compile the reverter here, and half a second once that is kept (NODE_COMPILE_CACHE).
before(() => void spawnSync(process.execPath, [fileURLToPath(new URL('../../services/injector/reverter.ts', import.meta.url))], { stdio: 'ignore' }))

test('this kernel has the queues', () => assert.equal(kernelCanDelay(), true))

test('what the target sends is late by the delay, over TCP and UDP; renewed it goes on; reverted, queue and rules are gone', async () => {
  await using here = await stage()
  const asked = async () => JSON.parse(await here.said(here.peer, roundTrips(addresses.target))) as { tcp: number; udp: number }
  const [queues, before] = [await here.ofTarget(tc, 'qdisc', 'show'), await asked()]
  const work = await here.inject('network-latency', { delay: `${delayMs}ms`, jitter: `${jitterMs}ms` })
  assert.match(await here.ofTarget(tc, 'qdisc', 'show'), /qdisc htb fa17: .*\n.*qdisc netem fa18: /)
  const during = await asked()
  console.log(`before ${JSON.stringify(before)}, during ${JSON.stringify(during)}`)
  for (const kind of ['tcp', 'udp'] as const) {
    const added = during[kind] - before[kind]
    assert.ok(added > delayMs - jitterMs - 15 && added < 2 * (delayMs - jitterMs), `${kind}: ${added} ms more`) // once, and not on the way back too
  }
  const seen = await work.undo('command')
  assert.ok(seen.verified, seen.readBack.join('; '))
  assert.deepEqual([await here.ofTarget(tc, 'qdisc', 'show'), await here.ofTarget(nft, 'list', 'ruleset')], [queues, ''])
  assert.ok((await asked()).tcp < delayMs - jitterMs)
})

test('to some peers only', async () => {
  await using here = await stage()
  const work = await here.inject('network-latency', { delay: `${delayMs}ms`, to: { labels: { app: 'other' } } }, { peers: ['10.211.0.77'] })
  assert.ok((JSON.parse(await here.said(here.peer, roundTrips(addresses.target))) as { tcp: number }).tcp < delayMs)
  assert.ok((await work.undo('command')).verified)
})

test('with its reverter killed, packets pass the queue by when the lease is over', async () => {
  await using here = await stage()
  // it asks before the fault is there: a client that is started later might be ready only when the lease is over, this machine being slow
  await using waits = here.lines(here.peer, `
    const ask = async () => { const began = performance.now(); await (await fetch("http://${addresses.target}:8080/")).text(); return performance.now() - began }
    (async () => {
      await ask(); console.log("asks")
      for (let slow = 0, untilMs = performance.now() + 60_000; performance.now() < untilMs;) if (await ask() >= 2000) slow++; else if (slow > 0) { console.log(slow + " were slow"); process.exit() }
      console.log("none was slow, or all"); process.exit()
    })()`)
  assert.equal((await waits.next()).value, 'asks')
  await here.inject('network-latency', { delay: '2s' }, { leaseMs: 10_000 })
  for (const { pid } of readProcesses().filter(({ pid }) => commandLine(pid).includes(here.state))) process.kill(pid, 'SIGKILL')
  assert.match(String((await waits.next()).value), /^[1-9]\d* were slow$/)
  assert.match(await here.ofTarget(tc, 'qdisc', 'show'), /fa17:/, 'the queue is there, and nobody is led into it')
})

test('a root queue that somebody has put there is kept, and the fault refused', async () => {
  await using here = await stage()
  await here.ofTarget(tc, 'qdisc', 'add', 'dev', 'toPeer', 'root', 'handle', '7:', 'tbf', 'rate', '1gbit', 'burst', '1mb', 'latency', '1s')
  const before = await here.ofTarget(tc, 'qdisc', 'show')
  await assert.rejects(here.inject('network-latency', { delay: '10ms' }), /toPeer has the root qdisc tbf 7:, which somebody put there/)
  assert.deepEqual([await here.ofTarget(tc, 'qdisc', 'show'), await here.ofTarget(nft, 'list', 'ruleset')], [before, ''])
})
