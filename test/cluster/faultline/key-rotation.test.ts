/** The keys that sign commands are rotated while a fault is held, by the very commands of docs/access.md. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { judge } from '#shared/verdict.ts'
import { temporaryFolder } from '../../parts/child.ts'
import { runFaultline } from '../../parts/faultline-command.ts'
import { until } from '../../parts/until.ts'
import { forwardScheduler, inSystem, installed, type ForwardedScheduler } from './installed.ts'
import { startSubject, type Subject } from './subject.ts'

const leaseMs = 5_000
const owned = new AsyncDisposableStack()
const { path: folder } = owned.use(temporaryFolder('faultline-key-rotation'))
const faultline = (...words: string[]) => runFaultline(words, { temporary: folder })
let scheduler: ForwardedScheduler
let subject: Subject
const begun: string[] = []
before(async () => {
  await installed()
  scheduler = owned.use(await forwardScheduler())
  subject = owned.use(await startSubject({ namespace: 'faultline-test-keys', optedIn: true, replicas: 1 }))
})
after(async () => {
  for (const run of begun) await faultline('abort', '--cluster', run) // of a test that failed before; and none of the others', which go on beside it
  await owned.disposeAsync()
})

/** The block of commands, in its parts: what makes the keys and the functions, then the steps. */
function readSteps(): { functions: string; makes: string; steps: string[] } {
  const [, block = ''] = /^In a cluster, for `commands`:\n\n((?: {4}.*\n|\n)+)/m.exec(readFileSync(new URL('../../../docs/access.md', import.meta.url), 'utf8')) ?? []
  const lines = block.split('\n').map(line => line.slice(4))
  const firstStep = lines.indexOf('', 1)
  return { makes: lines[0] ?? '', functions: lines.slice(1, firstStep).join('\n'), steps: lines.slice(firstStep).filter(Boolean) }
}

const npx = `npx() { shift; '${process.execPath}' '${fileURLToPath(new URL('../../../services/cli/faultline.mjs', import.meta.url))}' "$@"; }`
const shell = async (...lines: string[]): Promise<string> => (await promisify(execFile)('bash', ['-c', [npx, ...lines].join('\n')], { cwd: folder })).stdout

const count = async (...names: string[]): Promise<number> =>
  (await inSystem('get', 'pods', '--selector', `app.kubernetes.io/name in (${names.join(', ')})`, '--output', 'name')).trim().split('\n').length

const pauseFor = (duration: string) => ({
  apiVersion: 'faultline.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'rotated' }, lease: `${leaseMs}ms`,
  faults: [{ kind: 'pod-pause', target: { pods: { namespace: subject.namespace, labels: { app: 'subject' } } }, at: '1s', duration }],
  gates: [{ name: 'works-again', phase: 'recovery', promql: { query: 'vector(1)', min: 1 } }], recovery: { within: '10s', stable: '1s' },
})

test('agents obey the next key and no longer the one before, without a restart, and the fault that is held meanwhile does not lapse', async () => {
  await subject.ready()
  const { makes, functions, steps } = readSteps()
  assert.match(makes, /signing-key/)
  const [signing, checking] = [await count('scheduler'), await count('scheduler', 'injector', 'cluster-agent', 'locust-bridge')]
  const { run, judged } = await scheduler.hold(pauseFor('10m'))
  begun.push(run)
  await shell(makes)
  for (const step of steps) {
    if (!step.startsWith('there ')) {
      await shell(functions, step)
      continue
    }
    let sums: string[] = []
    const isThere = async () => {
      sums = (await shell(functions, step)).trim().split('\n').map(line => line.slice(0, 64))
      return new Set(sums).size === 1
    }
    const tookMs = await until(`${step}: all are the same`, isThere, 120_000, { lookMs: 500, now: () => sums.join('\n') })
    console.log(`${step}: in ${sums.length - 1} pods after ${Math.round(tookMs)} ms`)
    assert.equal(sums.length - 1, step.includes('seed') ? signing : checking, sums.join('\n'))
  }
  await delay(leaseMs + 1_000) // a renewal that is refused would have it lapse in that time
  const aborted = await faultline('abort', '--cluster', run)
  assert.equal(aborted.code, 0, aborted.err)
  const facts = await judged
  assert.deepEqual(facts.flatMap(({ kind }) => kind === 'fault.lapsed' ? [kind] : []), [])
  assert.deepEqual(facts.flatMap(({ kind, fact }) => kind === 'fault.reverted' ? [[fact.data.cause, fact.data.verified]] : []), [['abort', true]])
  assert.equal(judge(await scheduler.facts(await scheduler.submit(pauseFor('2s')))).verdict, 'passed', 'by the next key alone')
})
