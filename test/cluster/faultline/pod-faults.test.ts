import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { StoredFact } from '#shared/events.ts'
import { judge } from '#shared/verdict.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { forwardScheduler, inSystem, installed, type ForwardedScheduler } from './installed.ts'
import { compare, demandSame, settle, takePicture, type ByDesign } from './picture.ts'
import { startSubject, type Subject, type SubjectPod } from './subject.ts'

/** Answers, sends as much as is taken, and echoes UDP; memory and processor time are limited. */
const script = `
  const chunk = Buffer.alloc(65536)
  require('node:http').createServer((request, answer) => {
    if (request.url !== '/flood') return answer.end('here')
    const more = () => { while (answer.write(chunk)) ; answer.once('drain', more) }
    more()
  }).listen(8080)
  const echo = require('node:dgram').createSocket('udp4').on('message', (message, { port, address }) => echo.send(message, port, address)).bind(8081)`
const limits = { cpu: '300m', memory: '256Mi' }
const limitBytes = 256 * 2 ** 20

const owned = new AsyncDisposableStack()
let scheduler: ForwardedScheduler
/** Of one pod each, so that two kinds can be tried at once. */
let subjects: readonly [Subject, Subject]
let client: Subject
const namespaces = () => [...subjects, client].map(({ namespace }) => namespace)
before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  const start = async (name: string) => owned.use(await startSubject({ namespace: `faultline-test-${name}`, optedIn: true, replicas: 1, script, container: { resources: { limits, requests: limits } } }))
  subjects = [await start('faults'), await start('more-faults')]
  client = owned.use(await startSubject({ namespace: 'faultline-test-client', optedIn: false, replicas: 1 }))
  await Promise.all([...subjects, client].map(each => each.ready()))
  await settle(namespaces())
})
after(() => owned.disposeAsync())

/** What a program says that runs in a pod; `address` is that of the pod of `of`. */
async function said(inside: Subject, of: Subject, program: string): Promise<string> {
  const [pod] = await inside.pods()
  assert.ok(pod)
  const [{ address } = { address: '' }] = await podsOf(of)
  return (await kubectl(['--namespace', inside.namespace, 'exec', pod.name, '--', 'node', '--eval', `const address = "${address}"; ${program}`])).trim()
}

async function podsOf({ namespace }: Subject): Promise<{ name: string; address: string; restarts: number }[]> {
  const printed = await kubectl(['--namespace', namespace, 'get', 'pods', '--output', 'go-template={{range .items}}{{.metadata.name}} {{.status.podIP}} {{range .status.containerStatuses}}{{.restartCount}}{{end}}\n{{end}}'])
  return printed.trim().split('\n').map(line => {
    const [name = '', address = '', restarts = '0'] = line.split(' ')
    return { name, address, restarts: Number(restarts) }
  })
}

const hear = (subject: Subject) => said(client, subject, 'fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(1000) }).then(answer => answer.text()).catch(() => "silence").then(heard => console.log(heard))')
const answerMs = async (inside: Subject, of: Subject) => Number(await said(inside, of, 'const began = performance.now(); fetch(`http://${address}:8080/`).then(answer => answer.text()).then(() => console.log(performance.now() - began))'))
const answerToClientMs = (subject: Subject) => answerMs(client, subject)
const answerOfClientMs = (subject: Subject) => answerMs(subject, client)
/** After the first second and a bit, in which a limit lets its burst pass. */
const mbits = async (subject: Subject) => Number(await said(client, subject, `fetch(\`http://\${address}:8080/flood\`).then(async answer => {
  const began = performance.now() + 1200
  let bytes = 0
  for await (const chunk of answer.body) {
    if (performance.now() > began) bytes += chunk.length
    if (performance.now() > began + 1500) break
  }
  console.log(bytes * 8 / 1000 / (performance.now() - began)); process.exit() })`))
const echoes = async (subject: Subject) => Number(await said(client, subject, `let back = 0
  const socket = require("node:dgram").createSocket("udp4").on("message", () => back++)
  for (let sent = 0; sent < 200; sent++) setTimeout(() => socket.send("x", 8081, address), sent * 3)
  setTimeout(() => { console.log(back); process.exit() }, 1000)`))
const lookUp = (subject: Subject) => said(subject, subject, 'const names = new (require("node:dns").promises.Resolver)({ timeout: 2000, tries: 1 }); names.resolve4("kubernetes.default.svc.cluster.local").then(() => "found", error => error.code).then(answer => { console.log(answer); process.exit() })')
/** Of the container, in processors, over a second; its own cgroup says so, of version 1 or 2. */
const processors = async (subject: Subject) => Number(await said(subject, subject, `const { readFileSync } = require("node:fs")
  const read = path => { try { return readFileSync("/sys/fs/cgroup/" + path, "utf8") } catch { return "" } }
  const usedMs = () => Number(/usage_usec (\\d+)/.exec(read("cpu.stat"))?.[1] ?? 0) / 1e3 || Number(read("cpuacct/cpuacct.usage") || read("cpu,cpuacct/cpuacct.usage")) / 1e6
  const before = usedMs(), began = performance.now()
  setTimeout(() => console.log((usedMs() - before) / (performance.now() - began)), 1000)`))
const usedBytes = async (subject: Subject) => Number(await said(subject, subject, 'const { readFileSync } = require("node:fs"); const read = path => { try { return readFileSync("/sys/fs/cgroup/" + path, "utf8") } catch { return "" } }; console.log(Number(read("memory.current") || read("memory/memory.usage_in_bytes")))'))
const restarts = async (subject: Subject) => (await podsOf(subject)).reduce((sum, pod) => sum + pod.restarts, 0)
const names = async (subject: Subject) => (await podsOf(subject)).map(({ name }) => name).join(' ')

const between = (least: number, most: number) => (value: number): boolean => value >= least && value <= most
const is = (expected: string) => (value: string): boolean => value === expected

interface Row<T extends string | number> {
  parameters?: object
  /** Of an instant one there is none. */
  duration?: string
  measure(subject: Subject): Promise<T>
  calm(value: T): boolean
  /** Asked while the fault is there, or after an instant one. */
  faulted(value: T, calm: T): boolean
  /** What the system itself changes: a restart count, a new pod's name. The later of two that are tried at once changes no less than the earlier. */
  byDesign?: ByDesign
}
/** What it measures is its own matter. */
const row = <T extends string | number>(kind: string, { measure, calm, faulted, ...more }: Row<T>) => ({
  kind, ...more,
  async calmly(subject: Subject): Promise<{ said: string; isGood: boolean; faulted(): Promise<{ said: string; isGood: boolean }> }> {
    const before = await measure(subject)
    return {
      said: String(before), isGood: calm(before),
      async faulted() {
        const during = await measure(subject)
        return { said: String(during), isGood: faulted(during, before) }
      },
    }
  },
})

/** Long enough for a measurement on a busy machine. */
const duration = '8s'

/** Every kind of fault that is done to pods; a new one is one line here. Two that are beside each other are tried at once. */
const rows = [
  row('network-latency', { parameters: { delay: '300ms' }, duration, measure: answerToClientMs, calm: between(0, 400), faulted: between(600, 4_000) }),
  row('network-latency', { parameters: { delay: '300ms', jitter: '100ms', to: { namespace: 'faultline-test-client', labels: { app: 'subject' } }, ports: [8080] }, duration, measure: answerOfClientMs, calm: between(0, 400), faulted: between(400, 4_000) }),
  row('bandwidth-limit', { parameters: { rate: '20mbit' }, duration, measure: mbits, calm: value => value > 60, faulted: between(5, 24) }),
  row('network-drop', { duration, measure: hear, calm: is('here'), faulted: is('silence') }),
  row('network-loss', { parameters: { percent: 50 }, duration, measure: echoes, calm: between(190, 200), faulted: between(60, 140) }),
  row('network-partition', { parameters: { from: { namespace: 'faultline-test-client', labels: { app: 'subject' } } }, duration, measure: hear, calm: is('here'), faulted: is('silence') }),
  row('dns-error', { duration, measure: lookUp, calm: is('found'), faulted: is('ETIMEOUT') }),
  row('dns-error', { parameters: { mode: 'servfail' }, duration, measure: lookUp, calm: is('found'), faulted: is('ESERVFAIL') }),
  row('dns-error', { parameters: { mode: 'nxdomain' }, duration, measure: lookUp, calm: is('found'), faulted: is('ENOTFOUND') }),
  row('cpu-stress', { duration, measure: processors, calm: between(0, 0.05), faulted: between(0.08, 0.4) }),
  row('memory-stress', { parameters: { size: '50%' }, duration, measure: usedBytes, calm: between(1, limitBytes / 2), faulted: (now, calm) => now - calm > limitBytes * 0.45 }),
  row('pod-pause', { duration, measure: hear, calm: is('here'), faulted: is('silence') }),
  row('container-kill', { measure: restarts, calm: between(0, 100), faulted: (now, calm) => now === calm + 1, byDesign: 'a new container' }),
  row('pod-kill', { parameters: { gracePeriodSeconds: 0 }, measure: names, calm: name => name !== '', faulted: (now, calm) => now !== calm, byDesign: 'new pods on any node' }),
]

const target = (subject: Subject) => ({ pods: { namespace: subject.namespace, labels: { app: 'subject' } } })
const experiment = (name: string, faults: object[]) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name }, lease: '15s', faults, // a busy machine is not what is tried here
  gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 } }],
  recovery: { within: '20s', stable: '1s' },
})
const of = <K extends StoredFact['kind']>(facts: readonly StoredFact[], kind: K) => facts.flatMap(stored => stored.kind === kind ? [stored.fact.data as Extract<StoredFact, { kind: K }>['fact']['data']] : [])

type Attempt = (typeof rows)[number]
const titleOf = ({ kind, parameters = {} }: Attempt) => `${kind} ${JSON.stringify(parameters)}`

/** From an injection that is seen to a revert that is read back. */
async function attempt(row: Attempt, before: Awaited<ReturnType<Attempt['calmly']>>, subject: Subject): Promise<void> {
  const { kind, parameters, duration: lasting } = row
  const seen: ReturnType<typeof before.faulted>[] = []
  const run = await scheduler.submit(experiment(kind, [{ kind, target: target(subject), at: '0s', ...(lasting && { duration: lasting }), ...parameters }]))
  const there = whileThere()
  const facts = await scheduler.facts(run, ({ kind: told }) => {
    there.take(told)
    if (told === 'fault.injected' && lasting) seen.push(there.until(before.faulted, ({ isGood }) => isGood))
  })
  if (!lasting) seen.push(subject.ready().then(() => until(before.faulted, ({ isGood }) => isGood)))
  assert.deepEqual(of(facts, 'fault.refused').map(({ why }) => why), [])
  const judgement = judge(facts)
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('; '))
  assert.ok([...of(facts, 'fault.injected'), ...of(facts, 'fault.reverted')].every(({ verified }) => verified))
  const [during] = await Promise.all(seen)
  console.log(`${titleOf(row)}: ${before.said} before, ${during?.said} during`)
  assert.ok(during?.isGood, `${kind} during: ${during?.said}, before: ${before.said}`)
}

for (const pair of pairs(rows)) {
  test(`${pair.map(titleOf).join(' and ')}: each is seen on its pod while it lasts, and afterwards nothing differs from before`, async () => {
    const tried = pair.map((row, at) => ({ row, subject: subjects[at] as Subject }))
    const calm = () => Promise.all(tried.map(async ({ row, subject }) => {
      const found = await until(() => row.calmly(subject), ({ isGood }) => isGood)
      assert.ok(found.isGood, `${row.kind} without the fault: ${found.said}`)
      return { row, subject, found }
    }))
    await Promise.all(subjects.map(subject => subject.ready()))
    const before = await calm()
    const picture = await takePicture(namespaces())
    await Promise.all(before.map(({ row, subject, found }) => attempt(row, found, subject)))
    await demandSame(picture, namespaces(), pair.findLast(({ byDesign }) => byDesign)?.byDesign ?? 'nothing')
    await calm()
  })
}

function pairs<T>(all: readonly T[]): T[][] {
  return all.flatMap((_, at) => at % 2 === 0 ? [all.slice(at, at + 2)] : [])
}

async function until<T>(look: () => Promise<T>, isGood: (seen: T) => boolean, isOver = () => false): Promise<T> {
  const givenUpAt = performance.now() + 20_000
  for (;;) {
    const seen = await look()
    if (isGood(seen) || isOver() || performance.now() > givenUpAt) return seen
  }
}

/** To measure again what a busy machine has measured badly, as long as nothing has ended the fault, or a part of it. */
function whileThere() {
  let isOver = false
  return {
    take(told: StoredFact['kind']) { isOver ||= told === 'fault.reverted' || told === 'fault.lapsed' || told === 'run.aborting' },
    until: <T>(look: () => Promise<T>, isGood: (seen: T) => boolean) => until(look, isGood, () => isOver),
  }
}

test('memory-stress beyond the limit: the kernel ends it, not the container, and the run does not pass', async () => {
  const [subject] = subjects
  await subject.ready()
  const before = await restarts(subject)
  const facts = await scheduler.facts(await scheduler.submit(experiment('too-much', [{ kind: 'memory-stress', target: target(subject), at: '0s', duration: '10s', size: '150%' }])))
  assert.notEqual(judge(facts).verdict, 'passed')
  assert.ok(of(facts, 'fault.injected').every(({ verified }) => !verified))
  assert.equal(await restarts(subject), before)
})

test('three faults of different kinds are on one pod at once; each is seen, and nothing is left', async () => {
  const [subject] = subjects
  await subject.ready()
  const picture = await takePicture([subject.namespace])
  const seen: Promise<[number, number, number]>[] = []
  const faults = [{ kind: 'network-latency', delay: '300ms' }, { kind: 'cpu-stress', percent: 50 }, { kind: 'bandwidth-limit', rate: '20mbit' }]
  const run = await scheduler.submit(experiment('at-once', faults.map(fault => ({ ...fault, target: target(subject), at: '0s', duration: '10s' }))))
  const there = whileThere()
  const areSeen = ([latencyMs, rate, used]: readonly [number, number, number]) => latencyMs > 600 && rate < 24 && used > 0.05
  let begun = 0
  const facts = await scheduler.facts(run, ({ kind }) => {
    there.take(kind)
    if (kind === 'fault.injected' && ++begun === faults.length) seen.push(there.until(() => Promise.all([answerToClientMs(subject), mbits(subject), processors(subject)]), areSeen))
  })
  const judgement = judge(facts)
  assert.equal(judgement.verdict, 'passed', judgement.reasons.join('; '))
  const [measured] = await Promise.all(seen)
  assert.ok(measured)
  console.log(`at once: ${measured[0]} ms, ${measured[1]} Mbit/s, ${measured[2]} processors`)
  assert.ok(areSeen(measured))
  await demandSame(picture, [subject.namespace], 'nothing')
})

for (const [kind, first, second] of [['network-latency', { delay: '50ms' }, { delay: '90ms' }], ['pod-pause', {}, {}]] as const) {
  test(`a second ${kind} on the same pod is refused by name, and what the first did is undone`, async () => {
    const [subject] = subjects
    await subject.ready()
    const picture = await takePicture([subject.namespace])
    const [pod] = await subject.pods()
    const run = await scheduler.submit(experiment('twice', [{ kind, target: target(subject), at: '0s', duration: '6s', ...first }, { kind, target: target(subject), at: '2s', duration: '1s', ...second }]))
    const facts = await scheduler.facts(run)
    assert.deepEqual(of(facts, 'fault.refused').map(({ why }) => why), [`pod:${(pod as SubjectPod).uid} is held by ${run}/1-${kind}`])
    assert.equal(judge(facts).verdict, 'inconclusive')
    await demandSame(picture, [subject.namespace], 'nothing')
  })
}

test('a picture sees what a fault would leave: a table, a queue, a process', async () => {
  const [subject] = subjects
  const [pod] = await subject.ready()
  assert.ok(pod)
  const picture = await takePicture([subject.namespace])
  const agent = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=injector', '--field-selector', `spec.nodeName=${pod.node}`, '--output', 'name')).trim()
  const inPod = (command: string) => inSystem('exec', agent, '--', 'sh', '-c', `pid=$(grep -ls 'pod${pod.uid}' /proc/[0-9]*/cgroup | head -1 | cut -d/ -f3); nsenter -t "$pid" -n ${command}`)
  await inPod('nft add table netdev left_over')
  await inPod('tc qdisc add dev eth0 root handle 7: tbf rate 1gbit burst 1mb latency 1s')
  try {
    const differences = compare(picture, await takePicture([subject.namespace]), 'nothing')
    assert.deepEqual(differences.filter(line => /^\+1 .* (?:nft: table netdev left_over|tc: qdisc tbf)/.test(line)).length, 2, differences.join('\n'))
    await assert.rejects(demandSame(picture, [subject.namespace], 'nothing', 0), /left_over/)
  } finally {
    await inPod('nft delete table netdev left_over')
    await inPod('tc qdisc del dev eth0 root')
  }
  await demandSame(picture, [subject.namespace], 'nothing')
})
