/** PIDs are given anew. In a PID namespace of the test's own, where who is given which can be said (proc_sys_kernel(5), ns_last_pid). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runToEnd } from '../parts/child.ts'

/** A shell with two children: one ends when it is asked to, and a stranger gets its PID while the other one has the whole time that it is given. */
const program = `
  import { spawn } from 'node:child_process'
  import { once } from 'node:events'
  import { readFileSync, writeFileSync } from 'node:fs'
  import { endTree } from '#shared/process/process-tree.ts'
  import { isAlive, readProcess, readProcesses } from '#shared/process/process-table.ts'
  const begin = async (...argv) => { const child = spawn(argv[0], argv.slice(1), { detached: true, stdio: 'ignore' }); await once(child, 'spawn'); return child }
  const soon = async holds => { while (!holds()) await new Promise(resolve => setTimeout(resolve, 5)) }
  const tree = await begin('sh', '-c', 'sleep 600 & (trap "" TERM; while :; do sleep 600; done) & wait')
  const sleeping = () => readProcesses().filter(({ name, group }) => name === 'sleep' && group === tree.pid)
  await soon(() => sleeping().length === 2) // both, so that the other one obeys no more
  const obedient = sleeping().find(({ parent }) => parent === tree.pid)
  const ending = endTree({ pid: tree.pid }, { graceMs: 2_000 })
  await soon(() => readProcess(obedient.pid) === undefined)
  writeFileSync('/proc/sys/kernel/ns_last_pid', String(obedient.pid - 1))
  const stranger = await begin('sleep', '601')
  const isSamePid = stranger.pid === obedient.pid
  await ending
  const now = readProcess(stranger.pid)
  console.log(JSON.stringify({ isSamePid, strangerLives: now !== undefined && isAlive(now), left: readProcesses().filter(entry => entry.group === tree.pid && isAlive(entry)).length })) // whoever has ended may not be buried yet
  stranger.kill('SIGKILL')`

test('who was given the PID of a process that has ended, while the rest of its tree is ended, lives on', { skip: process.getuid?.() !== 0 && 'needs root' }, async () => {
  const attempt = async () => JSON.parse(await runToEnd({ argv: ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', '"$0" "$@"; exit $?', process.execPath, '--input-type=module', '--eval', program] })) as { isSamePid: boolean } // the shell buries whoever has lost its parent
  let seen = await attempt()
  for (let again = 0; again < 3 && !seen.isSamePid; again++) seen = await attempt() // a thread of Node.js was given it
  assert.deepEqual(seen, { isSamePid: true, strangerLives: true, left: 0 })
})
