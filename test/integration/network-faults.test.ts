/** The network faults that are led under a lease, done for real between two network namespaces of this test's own; as root. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { commandLine, readProcess, readProcesses } from '#shared/process/process-table.ts'
import { toolPath } from '#shared/tools.mjs'
import type { Undo } from '../../services/injector/journal.ts'
import { deleteQueues, prepareDelayQueue } from '../../services/injector/queue-deeds.ts'
import { addresses, stage } from '../parts/network-stage.ts'

const isRoot = process.getuid?.() === 0
/** The shortest of some, each over a connection of its own: where it is to be short, this machine may be busy. */
const answerMs = (address: string, times = 1) => `
  const { get } = require("node:http")
  const ask = () => new Promise((done, failed) => { const began = performance.now(); get({ host: "${address}", port: 8080, agent: false }, answer => answer.resume().on("end", () => done(performance.now() - began))).on("error", failed) })
  ;(async () => { let best = Infinity; for (let n = 0; n < ${times}; n++) best = Math.min(best, await ask()); console.log(best); process.exit() })()`
/** After the first second and a bit, in which a limit lets its burst pass. */
const mbits = (address: string) => `fetch("http://${address}:8080/flood").then(async answer => {
  const began = performance.now() + 1200
  let bytes = 0
  for await (const chunk of answer.body) {
    if (performance.now() > began) bytes += chunk.length
    if (performance.now() > began + 1500) break
  }
  console.log(bytes * 8 / 1000 / (performance.now() - began)); process.exit() })`
const lookUp = 'new (require("node:dns").promises.Resolver)({ timeout: 2000, tries: 1 }).resolve4("shop.test").then(() => "found", error => error.code).then(answer => { console.log(answer); process.exit() })'

test('network-latency by redirect: who connects to the target waits twice, and the revert leaves nothing', { skip: !isRoot && 'needs root' }, async () => {
  await using here = await stage()
  const before = Number(await here.said(here.peer, answerMs(addresses.target, 5)))
  const work = await here.inject('network-latency', { delay: '400ms' })
  const during = Number(await here.said(here.peer, answerMs(addresses.target)))
  console.log(`in: ${before} ms, then ${during} ms`)
  assert.ok(during - before > 500, `${during}, before ${before}`)
  const seen = await work.undo('command')
  assert.ok(seen.verified, seen.readBack.join('; '))
  assert.ok(Number(await here.said(here.peer, answerMs(addresses.target, 5))) < 700)
  assert.equal(await here.ofTarget(toolPath('nft'), 'list', 'ruleset'), '')
})

test('network-latency by redirect to peers: what the target connects to is late, and the proxy is not led to itself', { skip: !isRoot && 'needs root' }, async () => {
  await using here = await stage()
  const work = await here.inject('network-latency', { delay: '400ms', jitter: '100ms', to: { labels: { app: 'peer' } }, ports: [8080] }, { peers: [addresses.peer] })
  const during = Number(await here.said(here.target, answerMs(addresses.peer)))
  console.log(`out: ${during} ms`)
  assert.ok(during > 600)
  assert.ok((await work.undo('command')).verified)
})

for (const when of ['before it looks', 'after it looked'] as const) {
  test(`a delay whose device has got the queue of another fault ${when} is refused, and its undo leaves that queue alone`, { skip: !isRoot && 'needs root' }, async () => {
    await using here = await stage()
    const addOthers = () => execFileSync('nsenter', ['-t', String(here.target), '-n', 'tc', 'qdisc', 'add', 'dev', 'toPeer', 'root', 'handle', 'fa17:', 'htb'])
    const step = prepareDelayQueue(
      { do: 'delay-queue', lease: 'kernel', leaseSet: 'lease', leased: ['toPeer'], rules: '', delayMs: 100, jitterMs: 0, why: '' },
      { id: 'process:target', pid: here.target, startTicks: readProcess(here.target)?.startTicks ?? 0, description: 'the target' }, 'own',
    )
    let journaled: Undo = step.undo
    if (when === 'before it looks') addOthers()
    await assert.rejects(step.act({
      folder: here.state, id: 'own', lease: { leaseEndsMs: 0, endsMs: 0 }, reverter: undefined, shelter: undefined, onEndedEarly: () => undefined, requireTimeLeft: () => 1_000,
      record(undo) {
        if (when === 'after it looked' && journaled === step.undo) addOthers()
        journaled = undo
      },
    }), when === 'before it looks' ? /has the root qdisc htb fa17:, which somebody put there/ : /tc qdisc add dev toPeer root/)
    assert.ok(journaled.undo === 'delete-queues')
    assert.equal((await deleteQueues(journaled)).verified, true)
    assert.match(await here.ofTarget('tc', 'qdisc', 'show', 'dev', 'toPeer'), /^qdisc htb fa17: root/)
  })
}

test('with the reverter killed and the proxy stopped, the kernel resets what goes through it when the lease is over', { skip: !isRoot && 'needs root' }, async () => {
  await using here = await stage()
  await here.inject('network-latency', { delay: '100ms' }, { leaseMs: 10_000 })
  await using goes = here.lines(here.peer, `setTimeout(process.exit, 30_000)
    const socket = require("node:net").connect(8080, "${addresses.target}", () => setInterval(() => socket.write("GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"), 200))
    socket.once("data", () => console.log("through")).resume().on("error", error => { console.log(error.code); process.exit() })`)
  assert.equal((await goes.next()).value, 'through')
  const own = readProcesses().filter(({ pid }) => commandLine(pid).includes(here.state))
  for (const { pid } of own) process.kill(pid, commandLine(pid).includes('reverter.ts') ? 'SIGKILL' : 'SIGSTOP')
  assert.equal(own.length, 2)
  assert.equal((await goes.next()).value, 'ECONNRESET')
  assert.equal(await here.said(here.peer, `fetch("http://${addresses.target}:8080/").then(answer => answer.text()).then(text => { console.log(text); process.exit() })`), 'here')
  for (const { pid } of own) try { process.kill(pid, 'SIGCONT') } catch { /* killed */ }
})

test('bandwidth-limit: TCP comes down to about the rate, and back', { skip: !isRoot && 'needs root' }, async () => {
  await using here = await stage()
  const before = Number(await here.said(here.peer, mbits(addresses.target)))
  const work = await here.inject('bandwidth-limit', { rate: '20mbit' })
  const during = Number(await here.said(here.peer, mbits(addresses.target)))
  assert.ok((await work.undo('command')).verified)
  const after = Number(await here.said(here.peer, mbits(addresses.target)))
  console.log(`${before} Mbit/s, then ${during}, then ${after}`)
  assert.ok(during > 5 && during < 24 && before > 2 * during && after > 2 * during)
})

for (const [mode, expected] of Object.entries({ timeout: 'ETIMEOUT', servfail: 'ESERVFAIL', nxdomain: 'ENOTFOUND' })) {
  test(`dns-error ${mode}: queries fail that way, and are answered again afterwards`, { skip: !isRoot && 'needs root' }, async () => {
    await using here = await stage()
    assert.equal(await here.said(here.target, lookUp), 'EREFUSED', 'the server\'s own word')
    const work = await here.inject('dns-error', { mode })
    assert.equal(await here.said(here.target, lookUp), expected)
    assert.ok((await work.undo('command')).verified)
    assert.equal(await here.said(here.target, lookUp), 'EREFUSED')
    assert.equal(execFileSync('nsenter', ['-t', String(here.target), '-n', toolPath('nft'), 'list', 'ruleset'], { encoding: 'utf8' }), '')
  })
}

test('a socket whose queries were answered by the responder is answered by the real server as soon as the lease is over', { skip: !isRoot && 'needs root' }, async () => {
  await using here = await stage()
  // it asks before the responder is there, by another socket each time until that has answered one
  await using answers = here.lines(here.target, `const { createSocket } = require("node:dgram"), query = Buffer.from("123401000001000000000000046e616d6504746573740000010001", "hex")
    const ask = socket => new Promise(done => { socket.once("message", answer => done(answer[3] & 15)); socket.send(query, 53, "${addresses.peer}"); setTimeout(done, 1000) })
    setTimeout(process.exit, 30_000)
    ;(async () => {
      let socket = createSocket("udp4")
      for (const wanted of [5, 2, 5]) {
        for (; await ask(socket) !== wanted; await new Promise(done => setTimeout(done, 50))) if (wanted === 2) { socket.close(); socket = createSocket("udp4") }
        console.log(wanted)
      }
      process.exit()
    })()`)
  assert.equal((await answers.next()).value, '5')
  await here.inject('dns-error', { mode: 'servfail' }, { leaseMs: 3_000 })
  assert.deepEqual([(await answers.next()).value, (await answers.next()).value], ['2', '5'])
})
