import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { onSteadyMachine } from '../../parts/steady-machine.ts'
import { until } from '../../parts/until.ts'
import { inSystem, installed } from './installed.ts'
import { startSubject, type Subject, type SubjectPod } from './subject.ts'
import { kill, onNode, podsOf, type SystemPod } from './system-pods.ts'

/** Whatever of faultline, or of the node, dies in mid-fault: the fault ends within its lease and a second, or the run goes on to its end. */
const leaseMs = 3_000
const durationMs = 10_000
const owned = new AsyncDisposableStack()
let subject: Subject
const inNamespace = (...args: string[]) => kubectl(['--namespace', subject.namespace, ...args])
before(async () => {
  await installed()
  subject = owned.use(await startSubject({ namespace: 'faultline-test-crash', optedIn: true, replicas: 1 }))
})
after(() => owned.disposeAsync())

const asksWhetherItLeads = 'fetch("http://127.0.0.1:9646/metrics", { headers: { authorization: `Bearer ${fs.readFileSync(process.env.FAULTLINE_METRICS_TOKEN_FILE, "utf8").trim()}` } }).then(answer => answer.text()).then(text => console.log(/^faultline_scheduler_leader\\S* 1$/m.test(text)))'

async function leader(): Promise<SystemPod> {
  const leads = ({ name }: SystemPod) => inSystem('exec', name, '--', 'node', '-e', asksWhetherItLeads).then(said => said.trim() === 'true', () => false) // it may have ended, or not have begun
  let found: SystemPod | undefined
  await until('a scheduler leads', async () => {
    for (const pod of await podsOf('scheduler')) if (!found && await leads(pod)) found = pod
    return found !== undefined
  }, 5_000, { lookMs: 100 })
  return found ?? assert.fail('no scheduler leads')
}

/** What must come of it: the run passes; the fault ends within its lease and a second, unless the run passes; nothing stays beyond the fault's duration. */
type Rule = 'passes' | 'ends with its lease' | 'ends by its duration'
const restart = (what: string) => async () => void await inSystem('rollout', 'restart', what)
const crashes: readonly { what: string; rule: Rule; crash: (pod: SubjectPod) => Promise<void>; mend?: () => Promise<unknown> }[] = [
  { what: 'the leading scheduler is killed', rule: 'passes', crash: async () => kill(await leader()) },
  { what: 'the leading scheduler\'s pod is deleted by force', rule: 'passes', crash: async () => void await inSystem('delete', 'pod', (await leader()).name, '--force', '--grace-period=0') },
  { what: 'the schedulers are killed and none comes again', rule: 'ends with its lease', async crash() {
    await inSystem('scale', 'deployment/scheduler', '--replicas=0')
    await inSystem('delete', 'pods', '--selector', 'app.kubernetes.io/name=scheduler', '--force', '--grace-period=0')
  }, mend: () => inSystem('scale', 'deployment/scheduler', '--replicas=2') },
  { what: 'NATS is killed', rule: 'ends with its lease', crash: async () => { for (const pod of await podsOf('nats')) await kill(pod) } },
  { what: 'the agent of the node is killed', rule: 'ends with its lease', crash: async ({ node }) => { for (const pod of await podsOf('injector')) if (pod.node === node) await kill(pod) } },
  // Stopped, it is as good as dead, and can be brought back by whoever started it; not before it has answered for this command.
  { what: 'the kubelet of the node is stopped', rule: 'passes', crash: ({ node }) => onNode(node, `
    for line in /proc/[0-9]*/cmdline; do
      tr '\\0' ' ' < "$line" 2>/dev/null | grep -qE '(^|/| )kubelet --' && process=\${line%/cmdline} && found="$found \${process#/proc/}"
    done
    [ -n "$found" ] || exit 9
    setsid sh -c "sleep 0.3; kill -STOP $found; sleep 14; kill -CONT $found" >/dev/null 2>&1 &`) },
  { what: 'the schedulers are upgraded', rule: 'passes', crash: restart('deployment/scheduler') },
  { what: 'the evaluator is upgraded', rule: 'ends by its duration', crash: restart('deployment/slo-evaluator') },
  { what: 'the agents are upgraded', rule: 'ends by its duration', crash: restart('daemonset/injector') },
]

const target = () => ({ pods: { namespace: subject.namespace, labels: { app: 'subject' } } })

/** Applies an Experiment of this fault, and waits until the fault is there. */
async function hold(name: string, fault: object): Promise<void> {
  await kubectl(['--namespace', subject.namespace, 'apply', '--filename', '-'], JSON.stringify({
    apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name }, lease: `${leaseMs}ms`,
    faults: [{ at: '1s', duration: `${durationMs}ms`, ...fault }],
    gates: [{ name: 'prometheus-answers', phase: 'during', promql: { query: 'vector(1)', min: 1 }, noDataAfter: '10s' }],
    recovery: { within: '10s', stable: '500ms' },
  }))
  await inNamespace('wait', `experiment/${name}`, '--for=jsonpath={.status.phase}=Hold', '--timeout=120s')
}

/** An attempt has an Experiment of its own. */
let attempts = 0
const nameOf = (what: string) => `${what.replaceAll(/[^a-z]+/gi, '-').toLowerCase()}-${++attempts}`

/** Whatever was killed is there again. */
async function whole(): Promise<void> {
  for (const workload of ['deployment/scheduler', 'deployment/slo-evaluator', 'deployment/cluster-agent', 'daemonset/injector']) await inSystem('rollout', 'status', workload, '--timeout=90s')
}

for (const { what, rule, crash, mend = async () => undefined } of crashes) {
  test(`${what} in mid-fault: it ${rule}`, () => onSteadyMachine(async () => {
    const [pod] = await subject.ready()
    assert.ok(pod)
    const name = nameOf(what)
    await hold(name, { kind: 'pod-pause', target: target() })
    let isAnswered = false
    const answered = subject.ask(pod).finally(() => { isAnswered = true })
    await delay(300)
    assert.equal(isAnswered, false, 'it is not paused')
    await crash(pod)
    const crashedAt = performance.now()
    await answered
    const endedMs = performance.now() - crashedAt
    await mend()
    await inNamespace('wait', `experiment/${name}`, '--for=condition=Complete', '--timeout=120s')
    const verdict = await inNamespace('get', 'experiment', name, '--output', 'jsonpath={.status.verdict}')
    console.log(`${what}: the pause ended ${Math.round(endedMs)} ms later; ${verdict}`)
    await whole()
    assert.notEqual(verdict, 'failed')
    if (rule === 'passes') assert.equal(verdict, 'passed')
    else assert.ok(verdict === 'passed' || endedMs < (rule === 'ends with its lease' ? leaseMs : durationMs) + 1_000, `${Math.round(endedMs)} ms`)
  }))
}

/** The pause above is ended by a reverter; these are ended by others. */
const otherLeases: readonly { by: string; victim: string; fault: () => object; isThere: (pod: SubjectPod) => Promise<boolean> }[] = [
  { by: 'the kernel', victim: 'injector', fault: () => ({ kind: 'network-drop', target: target() }), isThere: async pod => !await subject.answers(pod) },
  { by: 'the restorers', victim: 'cluster-agent', fault: () => ({ kind: 'scale', target: { workload: { namespace: subject.namespace, kind: 'Deployment', name: 'subject' } }, replicas: 2 }), isThere: async () =>
    (await inNamespace('get', 'deployment', 'subject', '--output', 'jsonpath={.spec.replicas}')) === '2' },
]
for (const { by, victim, fault, isThere } of otherLeases) {
  test(`the ${victim} is killed in mid-fault: ${by} ${by === 'the kernel' ? 'ends' : 'end'} it with its lease`, () => onSteadyMachine(async () => {
    const [pod] = await subject.ready()
    assert.ok(pod)
    const name = nameOf(`${victim} killed`)
    await hold(name, fault())
    assert.ok(await isThere(pod), 'it is not there')
    for (const agent of await podsOf(victim)) if (victim === 'cluster-agent' || agent.node === pod.node) await kill(agent)
    const crashedAt = performance.now()
    while (await isThere(pod)) await delay(50)
    const endedMs = performance.now() - crashedAt
    console.log(`${victim} is killed: ${by} ended it ${Math.round(endedMs)} ms later`)
    await inNamespace('wait', `experiment/${name}`, '--for=condition=Complete', '--timeout=120s')
    await whole()
    assert.ok(endedMs < leaseMs + 1_000, `${Math.round(endedMs)} ms`)
    assert.notEqual(await inNamespace('get', 'experiment', name, '--output', 'jsonpath={.status.verdict}'), 'failed')
  }))
}
