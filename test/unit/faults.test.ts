import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { FaultImpossible, faultOfPart, isApiStep, isJoined, partOf, type FaultKind, type FaultSpec, type FaultTarget, type Step } from '#shared/fault.ts'
import { faultKinds } from '#shared/registry.ts'

const target: FaultTarget = { cpuCount: 3, devices: ['lo', 'eth0'], peers: ['10.0.0.7', 'fd00::7'], listening: [8080], nameservers: ['10.96.0.10'], canDelay: true }
const examples = {
  process: { process: { match: 'postgres' } }, pods: { pods: { namespace: 'shop', labels: { app: 'web' } } },
  nodes: { nodes: { name: 'n1' } }, workload: { workload: { namespace: 'shop', kind: 'Deployment', name: 'web' } },
}
const names = Object.keys(examples) as (keyof typeof examples)[]

/** One of what the kind may be done to. */
const targetOf = ({ targets }: FaultKind) => examples[names.find(name => name in targets) ?? 'pods']

function parse(kind: string, parameters: object = {}): FaultSpec {
  const found = faultKinds.get(kind)
  assert.ok(found, kind)
  return found.item.parse({ kind, target: targetOf(found), ...(found.duration === 'required' && { duration: '10s' }), ...parameters })
}
const planOf = (kind: string, parameters: object = {}, seen = target): Step[] => parse(kind, parameters).plan(seen)

/** Of each kind of text that a parameter can be, one. */
const texts = ['100ms', '1mbit', '64Mi']

/** The least that a kind asks for, by its own schema: a new kind needs no line here. */
function leastOf({ parameters }: FaultKind): object {
  const { required = [], properties = {} } = z.toJSONSchema(parameters, { io: 'input' })
  return Object.fromEntries(required.map(name => {
    const schema = properties[name]
    if (typeof schema !== 'object') return [name, undefined]
    const patterns = [schema, ...schema.anyOf ?? []].flatMap(each => typeof each === 'object' ? each.pattern ?? [] : [])
    const text = texts.find(text => patterns.some(pattern => new RegExp(pattern).test(text)))
    if (text !== undefined) return [name, text]
    return [name, schema.type === 'object' || schema.anyOf ? { labels: { app: 'database' } } : schema.minimum ?? schema.enum?.[0]] // the one that is no plain value is the other side
  }))
}

for (const [kind, found] of faultKinds) {
  const least = leastOf(found)

  test(`${kind}: takes what it may be done to, nothing else, and exactly one`, () => {
    const accepts = (target: object) => found.item.safeParse({ kind, target, ...least, ...(found.duration === 'required' && { duration: '10s' }) }).success
    for (const name of names) assert.equal(accepts(examples[name]), name in found.targets, name)
    assert.equal(accepts({}), false)
    assert.equal(accepts({ ...examples.process, ...examples.pods }), false)
    assert.equal(accepts({ pods: { namespace: 'shop', labels: {} } }), false, 'an empty selector')
  })

  test(`${kind}: a fault that lasts has a duration and somebody who ends it when nobody renews it, an instant one has neither`, () => {
    const fault = parse(kind, least)
    const lasts = found.duration === 'required'
    const steps = fault.plan(target)
    assert.ok(steps.length > 0)
    assert.deepEqual(steps.map(({ lease }) => lease !== 'none'), steps.map(() => lasts))
    assert.deepEqual([fault.kind, fault.atMs, fault.durationMs], [kind, 0, lasts ? 10_000 : undefined])
    assert.equal(found.item.safeParse({ kind, target: targetOf(found), ...least, ...(!lasts && { duration: '10s' }) }).success, false)
  })

  test(`${kind}: each rule of nft acts only under the lease, and every device is leased`, () => {
    for (const step of planOf(kind, least)) {
      if (!('leaseSet' in step)) continue
      const devices = ['network-drop', 'network-loss'].includes(kind) ? target.devices : target.devices.slice(1) // all others are done at what leads outside
      assert.deepEqual(step.leased, devices)
      const rules = step.rules.split('\n').map(line => line.trim()).filter(line => /drop$|priority set/.test(line))
      assert.ok(rules.length >= devices.length)
      for (const rule of rules) assert.match(rule, new RegExp(`^[io]ifname @${step.leaseSet} `))
      for (const device of devices) assert.ok(step.rules.includes(`device "${device}"`), device)
    }
  })
}

test('kill sends SIGKILL to the one process, unless it is told otherwise', () => {
  assert.deepEqual(planOf('kill'), [{ do: 'kill', signal: 'SIGKILL', tree: false, lease: 'none' }])
  assert.deepEqual(planOf('kill', { signal: 'SIGTERM', tree: true }), [{ do: 'kill', signal: 'SIGTERM', tree: true, lease: 'none' }])
})

test('pause stops the whole tree', () => {
  assert.deepEqual(planOf('pause'), [{ do: 'pause-tree', lease: 'reverter' }])
})

test('cpu-burn keeps all of the target\'s processors busy, unless it is told how many and how much', () => {
  assert.deepEqual(planOf('cpu-burn'), [{ do: 'burn-cpu', workers: 3, loadPercent: 100, lease: 'reverter' }])
  assert.deepEqual(planOf('cpu-burn', { workers: 1, percent: 50 }), [{ do: 'burn-cpu', workers: 1, loadPercent: 50, lease: 'reverter' }])
})

test('network-drop cuts every device in both directions, without a word to the sender', () => {
  const [step] = planOf('network-drop')
  assert.ok(step?.do === 'nft')
  assert.deepEqual([...step.rules.matchAll(/hook (\w+) device "(\w+)"/g)].map(([, hook, device]) => `${device} ${hook}`), ['lo ingress', 'lo egress', 'eth0 ingress', 'eth0 egress'])
  assert.doesNotMatch(step.rules, /reject/)
})

test('network-loss drops the share that was asked for, to a hundredth of a percent, and at 100 everything', () => {
  const sharesOf = (percent: number) => {
    const [step] = planOf('network-loss', { percent })
    assert.ok(step?.do === 'nft')
    return step.rules.split('\n').filter(line => line.includes('drop')).map(line => Number(/numgen random mod 10000 < (\d+) drop/.exec(line)?.[1] ?? 10_000) / 10_000)
  }
  fc.assert(fc.property(fc.integer({ min: 1, max: 10_000 }), hundredths => {
    assert.deepEqual(sharesOf(hundredths / 100), [hundredths / 10_000, hundredths / 10_000])
  }))
  assert.doesNotMatch(JSON.stringify(planOf('network-loss', { percent: 100 })), /numgen/)
})

test('a pod is killed with its own grace, unless the experiment names another', () => {
  assert.deepEqual(planOf('pod-kill'), [{ do: 'delete-pod', gracePeriodSeconds: null, lease: 'none' }])
  assert.deepEqual(planOf('pod-kill', { gracePeriodSeconds: 0 }), [{ do: 'delete-pod', gracePeriodSeconds: 0, lease: 'none' }])
})

test('containers are killed and pods paused as a whole, unless a container is named', () => {
  assert.deepEqual(planOf('container-kill'), [{ do: 'kill', signal: 'SIGKILL', tree: false, lease: 'none' }])
  assert.deepEqual(planOf('container-kill', { container: 'web', signal: 'SIGTERM' }), [{ do: 'kill', signal: 'SIGTERM', tree: false, container: 'web', lease: 'none' }])
  assert.deepEqual(planOf('pod-pause', { container: 'web' }), [{ do: 'pause-tree', container: 'web', lease: 'reverter' }])
})

test('network-partition cuts what comes from and goes to the peers, of both families, and in one direction when it is told so', () => {
  const rulesOf = (direction?: string) => {
    const [step] = planOf('network-partition', { from: { labels: { app: 'database' } }, ...(direction !== undefined && { direction }) })
    assert.ok(step?.do === 'nft')
    return step.rules
  }
  assert.match(rulesOf(), /set peers4 \{\s+type ipv4_addr\s+elements = \{ 10\.0\.0\.7 \}/)
  assert.match(rulesOf(), /set peers6 \{\s+type ipv6_addr\s+elements = \{ fd00::7 \}/)
  const drops = (rules: string) => rules.split('\n').map(line => line.trim()).filter(line => line.endsWith('drop'))
  assert.deepEqual(drops(rulesOf()), ['iifname @lease ip saddr @peers4 drop', 'iifname @lease ip6 saddr @peers6 drop', 'oifname @lease ip daddr @peers4 drop', 'oifname @lease ip6 daddr @peers6 drop'])
  assert.deepEqual(drops(rulesOf('in')), drops(rulesOf()).slice(0, 2))
  assert.deepEqual(drops(rulesOf('out')), drops(rulesOf()).slice(2))
})

/** A line that only acts while the lease is there, or does nothing by itself. */
const rulesOf = (step: Step | undefined): string[] => {
  assert.ok(step && 'leaseSet' in step)
  return step.rules.split('\n').map(line => line.trim()).filter(line => line !== '' && !/^(?:chain|type|set|\})/.test(line))
}

test('bandwidth-limit drops what is over the rate, in bytes, with room for the largest packets, in one direction when it is told so', () => {
  const [step] = planOf('bandwidth-limit', { rate: '80mbit' })
  assert.deepEqual(rulesOf(step), ['iifname @lease limit rate over 10000000 bytes/second burst 1000000 bytes drop', 'oifname @lease limit rate over 10000000 bytes/second burst 1000000 bytes drop'])
  assert.deepEqual(rulesOf(planOf('bandwidth-limit', { rate: '8kbit', direction: 'in' })[0]), ['iifname @lease limit rate over 1000 bytes/second burst 262144 bytes drop'])
  assert.deepEqual(rulesOf(planOf('bandwidth-limit', { rate: '8kbit', direction: 'out' })[0]), ['oifname @lease limit rate over 1000 bytes/second burst 262144 bytes drop'])
  assert.equal(faultKinds.get('bandwidth-limit')?.parameters.safeParse({ rate: '1bit' }).success, false)
})

test('cpu-stress and memory-stress are done inside the containers, in all of them or in one', () => {
  assert.deepEqual(planOf('cpu-stress'), [{ do: 'burn-cpu', workers: 3, loadPercent: 100, inside: true, lease: 'reverter' }])
  assert.deepEqual(planOf('cpu-stress', { workers: 1, percent: 50, container: 'web' }), [{ do: 'burn-cpu', workers: 1, loadPercent: 50, inside: true, container: 'web', lease: 'reverter' }])
  assert.deepEqual(planOf('memory-stress', { size: '64Mi' }), [{ do: 'hold-memory', size: { bytes: 64 * 2 ** 20 }, lease: 'reverter' }])
  assert.deepEqual(planOf('memory-stress', { size: '80%', container: 'web' }), [{ do: 'hold-memory', size: { percentOfLimit: 80 }, container: 'web', lease: 'reverter' }])
  for (const size of ['0%', '64', '1Ki', '64MB', '200%']) assert.equal(faultKinds.get('memory-stress')?.parameters.safeParse({ size }).success, false, size)
})

test('dns-error is silent, or leads each name server\'s queries to a responder of their own and back, under the lease alone', () => {
  assert.deepEqual(rulesOf(planOf('dns-error')[0]), ['oifname @lease udp dport 53 drop', 'oifname @lease tcp dport 53 drop'])
  const [step] = planOf('dns-error', { mode: 'servfail' }, { ...target, nameservers: ['127.0.0.53', 'fd00::a', '10.0.0.1', '10.0.0.2'] })
  assert.ok(step?.do === 'divert' && step.family === 'inet')
  assert.deepEqual(step.to, { program: 'dns-responder', answer: 'servfail', servers: 2 })
  const asks = rulesOf(step).filter(rule => rule.includes('daddr set'))
  assert.deepEqual(asks, ['10.0.0.1', '10.0.0.2'].map((server, index) => `oifname @lease ip daddr ${server} udp dport 53 ip daddr set 127.0.0.1 udp dport set $port${index}`))
  assert.throws(() => planOf('dns-error', { mode: 'nxdomain' }, { ...target, nameservers: ['fd00::a'] }), FaultImpossible)
})

test('network-latency steers into netem where the kernel has it: everything, or what goes to the peers', () => {
  const [step] = planOf('network-latency', { delay: '50ms', jitter: '10ms' })
  assert.ok(step?.do === 'delay-queue')
  assert.deepEqual([step.delayMs, step.jitterMs, rulesOf(step)], [50, 10, ['oifname @lease meta priority set fa17:10']])
  const to = { labels: { app: 'database' } }
  assert.deepEqual(rulesOf(planOf('network-latency', { delay: '50ms', to })[0]), ['oifname @lease ip daddr { 10.0.0.7 } meta priority set fa17:10', 'oifname @lease ip6 daddr { fd00::7 } meta priority set fa17:10'])
  assert.deepEqual(rulesOf(planOf('network-latency', { delay: '50ms', ports: [5432] })[0]), ['oifname @lease tcp dport { 5432 } meta priority set fa17:10'])
})

test('network-latency redirects where there is no netem: to the ports listened on, or to the peers\' ports; and says so', () => {
  const without = { ...target, canDelay: false }
  const reset = 'ct mark 0x0fa17000 iifname != @lease reject with tcp reset'
  const [inward] = planOf('network-latency', { delay: '50ms' }, without)
  assert.ok(inward?.do === 'divert' && inward.to.program === 'delay-proxy')
  assert.match(inward.why, /lacks sch_netem/)
  assert.deepEqual([inward.leased, inward.to.routes, rulesOf(inward)], [['eth0'], [{ port: 8080 }], ['iifname @lease tcp dport 8080 ct mark set 0x0fa17000 redirect to :$port0', reset]])
  const [outward] = planOf('network-latency', { delay: '50ms', to: { labels: { app: 'database' } }, ports: [5432] }, without)
  assert.ok(outward?.do === 'divert' && outward.to.program === 'delay-proxy')
  assert.deepEqual(outward.leased, ['lo', 'eth0'], 'redirected packets come over the loopback')
  assert.deepEqual(outward.to.routes, [{ host: '10.0.0.7', port: 5432 }, { host: 'fd00::7', port: 5432 }])
  assert.deepEqual(rulesOf(outward), ['tcp sport 61000-65535 return',
    'oifname @lease ip daddr 10.0.0.7 tcp dport 5432 ct mark set 0x0fa17000 redirect to :$port0', 'oifname @lease ip6 daddr fd00::7 tcp dport 5432 ct mark set 0x0fa17000 redirect to :$port1', reset])
  assert.throws(() => planOf('network-latency', { delay: '50ms' }, { ...without, listening: [] }), /listens on no TCP port/)
  assert.throws(() => planOf('network-latency', { delay: '50ms', to: { labels: { app: 'database' } } }, without), /ports. must be named/)
})

test('a part is named after its fault, and no kind has a name that a part could have', () => {
  assert.deepEqual([partOf('1-pod-pause', 2), faultOfPart('1-pod-pause.12'), faultOfPart('1-pod-pause'), isJoined('1-pod-pause'), isJoined('1-pod-pause.2')], ['1-pod-pause.2', '1-pod-pause', '1-pod-pause', false, true])
  assert.deepEqual([...faultKinds.keys()].filter(isJoined), [])
})

test('a deleted pod, a drain, a power cut and a scaling are done through the API; nothing else is', () => {
  const doneByApi = [...faultKinds.values()].filter(kind => planOf(kind.kind, leastOf(kind)).every(isApiStep)).map(({ kind }) => kind)
  assert.deepEqual(doneByApi.sort(), ['node-drain', 'node-power', 'pod-kill', 'scale'])
})
