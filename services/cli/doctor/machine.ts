import { existsSync } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { release, userInfo } from 'node:os'
import { dirname, resolve } from 'node:path'
import { messageOf } from '#shared/errors.ts'
import { toolPath } from '#shared/tools.mjs'
import { attempt } from './attempt.ts'
import { capabilities, effectiveCapabilities } from './capabilities.ts'
import { leftFolders } from '../local/folder.ts'
import type { Check } from './check.ts'

const leastFreeBytes = 2 ** 30
/** A demo opens about this many listening ports. */
const portsTried = 16

/** The kernel, the user, the disk and the loopback. */
export async function checkMachine(resultsFolder: string): Promise<Check[]> {
  return [checkKernel(), await checkUser(), checkControlGroups(), await checkProcessHandles(), await checkDisk(resultsFolder), await checkLoopback(), checkLeftovers()]
}

function checkKernel(): Check {
  return { name: 'kernel', found: 'ok', detail: `Linux ${release()}`, neededFor: [] }
}

async function checkUser(): Promise<Check> {
  const { username, uid } = userInfo()
  const held = effectiveCapabilities(await readFile('/proc/self/status', 'utf8'))
  const lacking = capabilities.filter(name => !held.includes(name))
  const detail = `${username} (uid ${uid}), ${held.length > 0 ? held.join(' ') : 'no capabilities'}`
  if (lacking.length === 0) return { name: 'user', found: 'ok', detail, neededFor: [] }
  return { name: 'user', found: 'limited', detail, next: `without ${lacking.join(' ')} only this user's own processes can be targets`, neededFor: [] }
}

function checkControlGroups(): Check {
  const detail = existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'version 2'
    : existsSync('/sys/fs/cgroup/unified/cgroup.procs') ? 'version 1, with version 2 beside it'
    : existsSync('/sys/fs/cgroup/cpu') ? 'version 1'
    : 'none mounted at /sys/fs/cgroup'
  return { name: 'cgroups', found: 'ok', detail, neededFor: [] }
}

/** Node has no system call of its own for this; Python has. */
async function checkProcessHandles(): Promise<Check> {
  const common = { name: 'pidfd', neededFor: [] }
  let python: string
  try {
    python = toolPath('python')
  } catch {
    return { ...common, found: 'limited', detail: 'not tried: no Python', next: 'npm run setup' }
  }
  const { worked, said } = await attempt([python, '-c', 'import os; os.close(os.pidfd_open(os.getpid()))'])
  return worked
    ? { ...common, found: 'ok', detail: 'processes can be held by handle' }
    : { ...common, found: 'limited', detail: said.split('\n').at(-1) ?? said, next: 'Linux 5.3 or later has it; faultline binds by PID and start time' }
}

async function checkDisk(resultsFolder: string): Promise<Check> {
  const name = 'disk'
  let existing = resolve(resultsFolder)
  while (!existsSync(existing)) existing = dirname(existing)
  try {
    const { bavail, bsize } = await statfs(existing)
    const freeBytes = bavail * bsize
    const detail = `${(freeBytes / 2 ** 30).toFixed(1)} GiB free for ${resolve(resultsFolder)}`
    if (freeBytes >= leastFreeBytes) return { name, found: 'ok', detail, neededFor: [] }
    return { name, found: 'limited', detail, next: 'free 1 GiB, or have results written elsewhere', neededFor: [] }
  } catch (error) {
    return { name, found: 'limited', detail: messageOf(error), next: 'have results written elsewhere', neededFor: [] }
  }
}

/** What earlier sessions could not confirm as undone. */
function checkLeftovers(): Check {
  const left = leftFolders()
  if (left.length === 0) return { name: 'leftovers', found: 'ok', detail: 'no earlier session left a fault behind', neededFor: [] }
  return { name: 'leftovers', found: 'limited', detail: `not confirmed as undone: ${left.join(', ')}`, next: 'the next session tries again; until then its targets are quarantined', neededFor: [] }
}

async function checkLoopback(): Promise<Check> {
  const servers: Server[] = []
  try {
    for (let port = 0; port < portsTried; port++) servers.push(await listen())
    return { name: 'loopback', found: 'ok', detail: `${portsTried} ports of 127.0.0.1 could be had at once`, neededFor: ['demo', 'tests'] }
  } catch (error) {
    const detail = `only ${servers.length} ports of 127.0.0.1 could be had: ${messageOf(error)}`
    return { name: 'loopback', found: 'missing', detail, next: 'ip link set lo up; ulimit -n 1024', neededFor: ['demo', 'tests'] }
  } finally {
    for (const server of servers) server.close()
  }
}

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}
