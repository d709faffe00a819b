import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseExperiments } from '#shared/experiment-file.ts'
import type { FilePlan } from '../../services/cli/plan/experiment-plan.ts'
import { planFault, previewFault } from '../../services/injector/local-driver.ts'
import { commandLine, descendantsOf, readProcess, readProcesses } from '#shared/process/process-table.ts'
import { temporaryFolder } from '../parts/child.ts'
import { startWorker } from '../parts/worker.ts'

const faultline = fileURLToPath(new URL('../../services/cli/faultline.mjs', import.meta.url))
/** Only in the command line of the worker itself: its parent's holds the program that starts it. */
const workerMatch = '10) faultline-test-worker'
const pause = `{kind: pause, target: {process: {match: "${workerMatch}"}}, at: 1s, duration: 5s}`
const experimentText = (...faults: string[]) => `
apiVersion: faultline.dev/v1alpha1
kind: Experiment
metadata: {name: dry}
faults:
${faults.map(fault => `  - ${fault}`).join('\n')}
gates:
  - {name: works, promql: {query: 'sum(rate(work_done_total[3s]))', min: 1}}
recovery: {within: 20s, stable: 1s}
`
interface Answer { code: number; out: string; err: string }

/** Runs the command in a folder of its own, which also holds its temporary files, and demands that it left neither a file nor a changed process. */
async function plan(text: string, args: string[], { watched = [] }: { watched?: number[] } = {}): Promise<Answer> {
  using folder = temporaryFolder('plan')
  const file = join(folder.path, 'experiment.yaml')
  writeFileSync(file, text)
  const before = snapshot(watched)
  const answer = await new Promise<Answer>(resolve => {
    execFile(process.execPath, [faultline, 'plan', file, ...args], { cwd: folder.path, env: { ...process.env, TMPDIR: folder.path } },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }))
  })
  assert.deepEqual(snapshot(watched), before)
  assert.deepEqual(readdirSync(folder.path), ['experiment.yaml'])
  assert.equal(readFileSync(file, 'utf8'), text)
  return answer
}

/** Whose they are, whether they are stopped, and how many: all that a fault could have changed. */
const snapshot = (roots: number[]) => roots.map(root => [root, ...descendantsOf(root, readProcesses()).map(({ pid }) => pid)]
  .map(pid => ({ pid, startTicks: readProcess(pid)?.startTicks, isStopped: readProcess(pid)?.state === 'T', inNetwork: statSync(`/proc/${pid}/ns/net`).ino })))

/** A shell with so many children, gone afterwards. */
async function startShell(script: string, args: string[], children: number, user?: number): Promise<AsyncDisposable & { pid: number }> {
  const shell = spawn('sh', ['-c', script, ...args], { detached: true, stdio: 'ignore', ...(user !== undefined && { uid: user, gid: user }) })
  await once(shell, 'spawn')
  const { pid = 0 } = shell
  // a child that was just forked still bears its parent's command line
  while (descendantsOf(pid, readProcesses()).filter(child => commandLine(child.pid).startsWith('sleep')).length < children) await delay(10)
  return {
    pid,
    async [Symbol.asyncDispose]() {
      const ended = once(shell, 'exit')
      process.kill(-pid, 'SIGKILL')
      await ended
    },
  }
}

const planJson = async (...given: Parameters<typeof plan>): Promise<{ code: number; plan: FilePlan }> => {
  const { code, out, err } = await plan(given[0], [...given[1], '--json'], given[2])
  assert.equal(err, '')
  return { code, plan: JSON.parse(out) as FilePlan }
}
const onlyFaults = ({ experiments: [experiment] }: FilePlan) => experiment?.faults ?? []
const reasons = (planned: FilePlan) => onlyFaults(planned).map(({ refusals }) => refusals.map(({ why }) => why).join('; '))

test('a plan names the process, its start time, what is done to it and what undoes that, exits 0, and changes nothing', async () => {
  await using worker = await startWorker()
  const pid = worker.workerPid()
  const { code, out, err } = await plan(experimentText(pause), ['--allow', `worker=${worker.pid}`], { watched: [worker.pid] })
  assert.equal(code, 0, err + out)
  assert.equal(err, '')
  for (const line of [
    `  within    worker (${worker.pid})`,
    '  1s to 6s   fault     1-pause',
    `    bound   process:${pid}:${readProcess(pid)?.startTicks}`,
    `    do      kill -STOP ${pid} and its descendants`,
    `    undo    kill -CONT ${pid} and its descendants`,
    '    promql  sum(rate(work_done_total[3s]))',
    'Everything can be done: 1 experiment, 1 fault.',
  ]) assert.ok(out.includes(`\n${line}\n`), `${line}\n\nis not in\n\n${out}`)
})

test('the JSON plan holds all of it under stable keys', async () => {
  await using worker = await startWorker()
  const pid = worker.workerPid()
  const startTicks = readProcess(pid)?.startTicks ?? 0
  const { code, plan: planned } = await planJson(experimentText(pause), ['--allow', `worker=${worker.pid}`], { watched: [worker.pid] })
  assert.equal(code, 0, JSON.stringify(planned.problems))
  assert.deepEqual({ ...planned, file: '' }, {
    file: '', possible: true, problems: [], cluster: null, parents: [{ name: 'worker', pid: worker.pid, startTicks: readProcess(worker.pid)?.startTicks }],
    experiments: [{
      name: 'dry', possible: true,
      timeline: { load: null, steadyMs: 1_000, holdEndMs: 11_000, recovery: { withinMs: 20_000, stableMs: 1_000, gates: ['works'] }, leaseMs: 3_000 },
      faults: [{
        id: '1-pause', kind: 'pause', atMs: 1_000, durationMs: 5_000, match: workerMatch, parent: null, pick: 'one', takes: 1, refusals: [],
        candidates: [{
          id: `process:${pid}:${startTicks}`, pid, startTicks, agent: null, commandLine: commandLine(pid).slice(0, 200),
          steps: [{ lease: 'reverter', act: `kill -STOP ${pid} and its descendants`, undo: `kill -CONT ${pid} and its descendants` }],
        }],
      }],
      probes: [],
      gates: [{
        name: 'works', kind: 'promql', phase: 'during', source: 'prometheus', rule: 'at least 1 for sum(rate(work_done_total[3s]))',
        everyMs: 1_000, windowMs: 5_000, consecutive: 2, noDataAfterMs: 5_000, minRequests: null, promql: 'sum(rate(work_done_total[3s]))',
      }],
      falseAborts: null,
      warnings: [],
      noLookBefore: planned.experiments[0]?.noLookBefore ?? null,
    }],
  })
  assert.match(planned.experiments[0]?.noLookBefore ?? '', /^no gate looks whether the system is well before the first fault/)
})

test('one of several: all that a run may pick are shown, and whatever a run is called, the agent picks one of them and does just that', async () => {
  await using shell = await startShell('sleep $0 & sleep $0 & sleep $0 & wait', ['600.7'], 3)
  const parents = [{ name: 'shell', pid: shell.pid }]
  const text = experimentText('{kind: pause, target: {process: {match: sleep 600.7}}, duration: 5s}')
  const [fault] = parseExperiments(text, 'x.yaml').experiments.flatMap(({ experiment }) => experiment.faults)
  assert.ok(fault)
  const { code, plan: planned } = await planJson(text, ['--allow', `shell=${shell.pid}`], { watched: [shell.pid] })
  const [shown] = onlyFaults(planned)
  assert.deepEqual([code, shown?.takes, shown?.candidates.length], [0, 1, 3])
  const picked = new Set<string>()
  for (let index = 0; index < 50; index++) {
    const [one, ...more] = planFault(fault, `run-${index}`, parents)
    assert.deepEqual(more, [])
    assert.deepEqual(one?.steps, shown?.candidates.find(({ id }) => id === one?.target.id)?.steps)
    picked.add(one?.target.id ?? '')
  }
  assert.equal(picked.size, 3)
})

test('what the agent would refuse is told with the agent\'s reason, and exits 2', async () => {
  await using worker = await startWorker()
  const declared = ['--allow', `worker=${worker.pid}`]
  const refused = async (fault: string, args: string[], why: RegExp) => {
    const { code, plan: planned } = await planJson(experimentText(fault), args, { watched: [worker.pid] })
    assert.equal(code, 2)
    assert.equal(planned.possible, false)
    assert.match(reasons(planned)[0] ?? '', why)
  }
  await refused(pause, [], /^no process is opted in/)
  await refused(pause.replace('test-worker', 'nobody'), declared, /^no process .*below worker \(\d+\) matches "10\) faultline-nobody"/)
  await refused(pause.replace('}}', ', parent: shop}}'), declared, /^no parent named shop is declared; declared: worker/)
  await refused(pause.replace('}}', ', pick: 3}}'), declared, /^the target asks for 3, but only 1 match/)
  await refused(pause.replace('pause', 'network-drop'), declared, process.getuid?.() === 0 ? /shares the network of the host/ : /network faults need root/)
})

test('a process that is stopped already is refused, and stays stopped', async () => {
  await using worker = await startWorker()
  process.kill(worker.workerPid(), 'SIGSTOP')
  while (readProcess(worker.workerPid())?.state !== 'T') await delay(5) // what is running stops a moment later
  const { code, out } = await plan(experimentText(pause), ['--allow', `worker=${worker.pid}`], { watched: [worker.pid] })
  assert.equal(code, 2)
  assert.match(out, /\n {4}refused process:\d+:\d+ is stopped already; continue it first/)
  assert.match(out, /^1 of 1 fault would be refused, and the run be inconclusive: 1-pause\.$/m)
})

test('another user\'s process is refused by the plan, before any signal', { skip: process.getuid?.() !== 0 && 'only root can become another user' }, async () => {
  await using shell = await startShell('sleep $0 & wait', ['600.8'], 1, 65_533)
  const text = experimentText('{kind: pause, target: {process: {match: sleep 600.8}}, duration: 5s}', '{kind: kill, target: {process: {match: sleep 600.8}}}')
  const faults = parseExperiments(text, 'x.yaml').experiments.flatMap(({ experiment }) => experiment.faults)
  assert.equal(faults.length, 2)
  try {
    process.seteuid?.(65_534)
    for (const fault of faults) {
      const [candidate] = previewFault(fault, [{ name: 'other', pid: shell.pid }]).candidates
      assert.match(candidate && 'refused' in candidate ? candidate.refused : '', /^signals to \d+ are not allowed; run the agent as the same user or as root$/)
    }
  } finally {
    process.seteuid?.(0)
  }
})

test('a second fault on a target that is still held is refused, and one that comes after it is not', async () => {
  await using worker = await startWorker()
  const kill = (at: string) => `{kind: kill, target: {process: {match: "${workerMatch}"}}, at: ${at}}`
  const { code, plan: planned } = await planJson(experimentText(pause, kill('3s'), kill('8s')), ['--allow', `worker=${worker.pid}`], { watched: [worker.pid] })
  assert.equal(code, 2)
  assert.deepEqual(reasons(planned), ['', 'it is held by 1-pause until 6s; leave half a second between them', ''])
})

test('an invalid file and a process that is not there exit 3 as they do for run', async () => {
  const broken = 'kind: Experiment\n'
  const invalid = await plan(broken, [])
  assert.equal(invalid.code, 3)
  assert.equal(invalid.out, '')
  assert.match(invalid.err, /experiment\.yaml:1:1.*: expected /)
  const { code, plan: planned } = await planJson(broken, [])
  assert.equal(code, 3)
  assert.deepEqual({ ...planned, file: '', problems: [] }, { file: '', possible: false, problems: [], cluster: null, parents: [], experiments: [] })
  assert.ok(planned.problems.length > 0)
  for (const [allow, says] of [['999999999', 'there is no process 999999999'], ['worker=', 'no PID is given'], ['worker=1x', 'expected the PID'], ['Worker=1', 'a name is of lower-case letters']] as const) {
    const { code: exitCode, err } = await plan(experimentText(pause), ['--allow', allow])
    assert.equal(exitCode, 3)
    assert.ok(err.startsWith(`BadParent: --allow ${allow}: ${says}`), err)
  }
})
