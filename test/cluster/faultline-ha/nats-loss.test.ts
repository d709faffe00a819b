/** Three NATS servers, which speak TLS to each other and to the services, lose one at a time. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { judge } from '#shared/verdict.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { install, uninstall, VariantFixed } from '../../../services/cli/install/install.ts'
import { powerValues } from '../../../services/cli/install/power-values.ts'
import { namespace } from '../../../services/cli/install/secret.ts'
import { makeNatsCertificates } from '../../parts/nats-certificates.ts'
import { forwardPort } from '../../parts/port-forward.ts'
import { forwardScheduler, images, inSystem, variant, type ForwardedScheduler } from '../faultline/installed.ts'
import { startSubject, type Subject } from '../faultline/subject.ts'

/** FAULTLINE_TEST_VARIANT=ha: of one server there would be nothing left. */
assert.notEqual(variant, 'base')
const owned = new AsyncDisposableStack()
let scheduler: ForwardedScheduler
let subject: Subject
before(async () => {
  await uninstall({ patienceS: 120 }, () => undefined) // one server does not become three in place
  await makeCertificateSecret()
  await install({ variant, ...images, patienceS: 120, natsTls: true, given: powerValues() }, () => undefined)
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-nats', optedIn: true, replicas: 1 }))
})
after(() => owned.disposeAsync())

/** The Secret that the operator makes, as docs/nats-tls.md has it. */
async function makeCertificateSecret(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-nats-tls-'))
  try {
    const made = makeNatsCertificates(join(folder, 'tls'))
    await kubectl(['apply', '--filename', fileURLToPath(new URL('../../../k8s/base/namespace.yaml', import.meta.url))])
    await inSystem('create', 'secret', 'generic', 'nats-tls', ...['tls.crt', 'tls.key', 'ca.crt'].map(file => `--from-file=${join(made, file)}`))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('the servers let nobody in without TLS', async () => {
  await using forwarded = await forwardPort(namespace, 'nats', 4222)
  const socket = connect(Number(new URL(forwarded.url).port), '127.0.0.1')
  const [greeting] = await once(socket.setEncoding('utf8'), 'data') as [string] // plain, and before anything else: docs.nats.io, "NATS client protocol", INFO
  socket.destroy()
  assert.match(greeting, /^INFO .*"tls_required":true/)
})

for (const server of ['nats-0', 'nats-1', 'nats-2']) {
  test(`a run passes though ${server} is deleted by force in mid-fault, and every fact of it is there`, async () => {
    await subject.ready()
    await inSystem('rollout', 'status', 'statefulset/nats', '--timeout=90s')
    const deleted: Promise<string>[] = []
    const run = await scheduler.submit({
      apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'nats-loss' }, lease: '15s',
      faults: [{ kind: 'pod-pause', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }, at: '1s', duration: '12s' }],
      gates: [{ name: 'works-again', phase: 'recovery', promql: { query: 'vector(1)', min: 1 } }],
      recovery: { within: '30s', stable: '1s' },
    })
    const facts = await scheduler.facts(run, ({ kind }) => {
      if (kind === 'fault.injected') deleted.push(inSystem('delete', 'pod', server, '--force', '--grace-period=0'))
    })
    assert.equal((await Promise.all(deleted)).length, 1)
    const judgement = judge(facts)
    assert.equal(judgement.verdict, 'passed', judgement.reasons.join('; '))
  })
}

test('another variant is refused while this one is installed, and changes nothing', async () => {
  const replicas = () => inSystem('get', 'statefulset/nats', '--output', 'jsonpath={.spec.replicas}')
  const before = await replicas()
  await assert.rejects(install({ variant: 'base', ...images, patienceS: 5 }, () => undefined), VariantFixed)
  assert.equal(await replicas(), before)
})
