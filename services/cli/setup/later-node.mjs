/**
 * faultline's own code needs Node.js 24, which npm puts into node_modules/.bin where the system's is older.
 */
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { checkout } from '#shared/checkout.mjs'
import { isExecutable } from '#shared/tools.mjs'
import { isAtLeast } from './versions.mjs'

const leastNode = '24'

/** The setting by which a second process learns which open file ends when the first process does. */
export const lifelineVariable = 'FAULTLINE_LIFELINE_FD'

export function isThisNodeLateEnough() {
  return isAtLeast(process.versions.node, leastNode)
}

/**
 * npm's Node.js 24. It needs glibc, so it may be there and not run.
 * @returns {{ path: string, version: string } | undefined}
 */
export function bundledNode() {
  const path = join(checkout, 'node_modules/.bin/node')
  if (!isExecutable(path)) return undefined
  const version = spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout?.trim().replace(/^v/, '')
  return version && isAtLeast(version, leastNode) ? { path, version } : undefined
}

/**
 * Runs a script in another node as if it were this process: the same terminal, and the same end.
 *
 * It is the leader of a session of its own. A terminal signals its whole foreground group, so in this group it would get each
 * Ctrl-C twice, once from the terminal and once from here.
 *
 * A SIGKILL of this process cannot be passed on. So the script has open file 3, named by `FAULTLINE_LIFELINE_FD`: nothing is
 * ever written to it, and it reads as ended when this process is gone.
 * @param {string} node
 * @param {string} script
 * @param {readonly string[]} args
 * @returns {Promise<number>} its exit code; when a signal ended it, the same signal ends this process
 */
export async function runInNode(node, script, args) {
  const child = spawn(node, [script, ...args], {
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, [lifelineVariable]: '3' },
  })
  const passOn = (/** @type {NodeJS.Signals} */ signal) => { child.kill(signal) }
  const passedOn = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGWINCH'])
  for (const signal of passedOn) process.on(signal, passOn)
  await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  for (const signal of passedOn) process.removeListener(signal, passOn)
  child.stdio[3]?.destroy()
  if (child.signalCode === null) return child.exitCode ?? 1
  process.kill(process.pid, child.signalCode)
  return new Promise(() => {}) // the signal is on its way
}
