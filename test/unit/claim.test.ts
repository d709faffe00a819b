import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readProcess } from '#shared/process/process-table.ts'
import { claimProcesses } from '../../services/cli/local/claim.ts'
import { temporaryFolder } from '../parts/child.ts'

/** A shell with a process below it, and one beside them. */
const shell = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
const beside = spawn('sleep', ['60'], { stdio: 'ignore' })
let below = 0
before(async () => {
  const [line] = await once(shell.stdout, 'data') as [Buffer]
  below = Number(String(line))
})
after(() => {
  process.kill(-(shell.pid ?? assert.fail()), 'SIGKILL')
  beside.kill('SIGKILL')
})

/** The folders of two sessions. */
function sessions(): Disposable & { first: string; second: string } {
  const folder = temporaryFolder('claim')
  const [first, second] = ['session-1', 'session-2'].map(name => join(folder.path, name)) as [string, string]
  for (const path of [first, second]) mkdirSync(path)
  return { first, second, [Symbol.dispose]: () => folder[Symbol.dispose]() }
}
const named = (pid: number | undefined) => [{ name: 'svc', pid: pid ?? assert.fail('it has not started') }]
const claimed = { code: 'processes_claimed', exitCode: 3, message: new RegExp(`is in the hands of another session, the process ${process.pid}: `) }

test('a process that another session has opted in is refused, and so is one above or below it', () => {
  for (const [mine, yours] of [[shell.pid, shell.pid], [shell.pid, below], [below, shell.pid]]) {
    using folders = sessions()
    claimProcesses(folders.first, named(mine))
    assert.throws(() => { claimProcesses(folders.second, named(yours)) }, claimed)
  }
})

test('another process is taken, and a session without any takes none', () => {
  using folders = sessions()
  claimProcesses(folders.first, named(shell.pid))
  claimProcesses(folders.second, named(beside.pid))
  claimProcesses(folders.second, [])
})

test('a session that is over, or whose process is another one by now, has no claim', () => {
  using folders = sessions()
  claimProcesses(folders.first, named(shell.pid))
  const file = join(folders.first, 'claim.json')
  const claim = JSON.parse(readFileSync(file, 'utf8')) as { session: { startTicks: number }; processes: { startTicks: number }[] }
  const earlier = (readProcess(process.pid)?.startTicks ?? 0) - 1
  writeFileSync(file, JSON.stringify({ ...claim, session: { ...claim.session, startTicks: earlier } }))
  claimProcesses(folders.second, named(shell.pid))
  rmSync(join(folders.second, 'claim.json'))
  writeFileSync(file, JSON.stringify({ ...claim, processes: claim.processes.map(each => ({ ...each, startTicks: each.startTicks - 1 })) }))
  claimProcesses(folders.second, named(shell.pid))
})

test('what cannot be read as a claim is none', () => {
  using folders = sessions()
  writeFileSync(join(folders.first, 'claim.json'), '{')
  claimProcesses(folders.second, named(shell.pid))
})
