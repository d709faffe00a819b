/**
 * A second, small cluster beside the one that is up, with a folder and a prefix of its own, started, killed and taken down as people would.
 * It shares the binaries of the first.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { commandLine } from '#shared/process/process-table.ts'
import { run } from './commands.ts'
import { paths } from './paths.ts'

const prefix = 'flt'
const folder = mkdtempSync(join(tmpdir(), 'faultline-cluster-test-'))
symlinkSync(paths.binaries, join(folder, 'bin'))
after(async () => {
  await cluster('down')
  rmSync(folder, { recursive: true, force: true })
})

function start(...args: string[]) {
  return spawn(process.execPath, [join(import.meta.dirname, 'cluster.ts'), ...args], {
    detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, FAULTLINE_CLUSTER_FOLDER: folder, FAULTLINE_CLUSTER_PREFIX: prefix },
  })
}

/** Fails, with what it said, unless it ends with 0. */
async function done(...args: string[]): Promise<void> {
  const { code, out, err } = await cluster(...args)
  assert.equal(code, 0, `cluster ${args.join(' ')}\n${out}${err}`)
}

async function cluster(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = start(...args)
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, out, err }
}

/** What a machine shows of a cluster, without what others make on it meanwhile: the cluster that is up for other tests, and images in buildah's default storage. */
async function traces(): Promise<string[]> {
  const others = /flc-|\/run\/netns\/(?!flt)|\/var\/lib\/containers\/storage/
  const namespaces = (await run(['ip', 'netns', 'list'])).split('\n').map(line => line.split(' ')[0] ?? '')
  const cgroups = await run(['sh', '-c', 'find /sys/fs/cgroup -type d 2>/dev/null || true']) // those of pods that end meanwhile, on the cluster that is up, vanish under it
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map(line => line.split(' ').slice(4).join(' '))
  const made = ['/etc/cni', '/opt/cni', '/opt/containerd', '/usr/libexec/kubernetes', '/var/lib/cni', '/var/lib/kubelet', '/var/log/pods', '/var/log/containers', '/run/mount', '/run/flannel', '/run/containerd', '/run/xtables.lock', '/usr/sbin/policy-rc.d']
  return [
    ...namespaces.map(name => `namespace ${name}`),
    ...(await run(['ip', '-oneline', 'link'])).split('\n').map(line => `link ${line.split(':')[1]?.trim()}`),
    ...mounts.map(line => `mount ${line}`),
    ...cgroups.split('\n').map(line => `cgroup ${line}`),
    ...ownProcesses().map(pid => `process ${pid}`),
    ...made.filter(existsSync).map(path => `folder ${path}`),
  ].filter(line => !others.test(line)).sort()
}

/** A cgroup that came meanwhile with none of the cluster's processes in it, but others; or that is gone by now. */
function isOfStrangers(trace: string): boolean {
  const cgroup = /^cgroup (.*)/.exec(trace)?.[1]
  if (cgroup === undefined) return false
  try {
    const members = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)
    return members.length > 0 && !members.some(pid => ownProcesses().includes(pid))
  } catch {
    return !existsSync(cgroup) // some of v2 have threads alone
  }
}

/** By their environment, which every daemon of the cluster has and hands on. */
const ownProcesses = (): string[] => readdirSync('/proc').filter(name => /^\d+$/.test(name) && environmentOf(name).includes(`FAULTLINE_CLUSTER_FOLDER=${folder}`))

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    return []
  }
}

const before = await traces()
const kept = ['bin', 'cache', 'lock'] // what `down` leaves in its folder

async function assertNothingLeft(): Promise<void> {
  assert.deepEqual((await traces()).filter(trace => !before.includes(trace) && !isOfStrangers(trace)), [])
  assert.deepEqual(readdirSync(folder).filter(name => !kept.includes(name)), [])
}

test('down without a cluster is no error, and status says that it is down', async () => {
  await done('down')
  const { code, out } = await cluster('status', '--json')
  assert.deepEqual({ code, up: (JSON.parse(out) as { up: boolean }).up }, { code: 4, up: false })
})

test('commands that need a cluster say that it is not up', async () => {
  for (const args of [['off', '1'], ['on', '1'], ['run', 'true'], ['image', 'a:1', folder]]) {
    const { code, err } = await cluster(...args)
    assert.equal(code, 4, args.join(' '))
    assert.match(err, /^ClusterDown: .*cluster:up/m)
  }
})

test('up killed at any moment leaves what down removes', async () => {
  for (const afterMs of [150, 400, 700, 1200, 2500, 4000]) {
    const child = start('up', '--nodes', '1')
    child.stdout.resume()
    child.stderr.resume()
    await delay(afterMs)
    process.kill(-(child.pid ?? 0), 'SIGKILL')
    await once(child, 'close')
    const { code, err } = await cluster('down')
    assert.equal(code, 0, err)
    await assertNothingLeft()
  }
})

test('up after an up that was killed works; up again changes nothing; another number of nodes is refused', async () => {
  const child = start('up', '--nodes', '1')
  child.stdout.resume()
  child.stderr.resume()
  await delay(2000)
  process.kill(-(child.pid ?? 0), 'SIGKILL')
  await once(child, 'close')

  const first = await cluster('up', '--nodes', '1')
  assert.equal(first.code, 0, first.err)
  const uid = await cluster('run', 'kubectl', 'get', 'namespace', 'kube-system', '--output', 'jsonpath={.metadata.uid}')
  const again = await cluster('up')
  assert.deepEqual({ code: again.code, saysSo: again.err.includes('up already') }, { code: 0, saysSo: true })
  assert.equal((await cluster('run', 'kubectl', 'get', 'namespace', 'kube-system', '--output', 'jsonpath={.metadata.uid}')).out, uid.out)
  assert.equal((await cluster('up', '--nodes', '2')).code, 3)
})

test('run passes on the exit code and the standard output of its command', async () => {
  assert.deepEqual(await cluster('run', 'sh', '-c', 'echo out; exit 7'), { code: 7, out: 'out\n', err: '' })
})

test('down from inside of the cluster\'s network is refused', async () => {
  const { code, err } = await cluster('run', process.execPath, join(import.meta.dirname, 'cluster.ts'), 'down')
  assert.equal(code, 3)
  assert.match(err, /outside of `cluster:run`/)
})

test('when a daemon of the control plane has died, status says which, and up starts anew', async () => {
  const scheduler = ownProcesses().find(pid => commandLine(Number(pid)).includes('/hyperkube kube-scheduler '))
  assert.ok(scheduler, 'there is a scheduler')
  process.kill(Number(scheduler), 'SIGKILL')
  const { code, out } = await cluster('status')
  assert.equal(code, 4)
  assert.match(out, /^broken: kube-scheduler does not run/)
  const again = await cluster('up')
  assert.equal(again.code, 0, again.err)
  assert.match(again.err, /no longer runs kube-scheduler/)
  await done('status')
})

test('down leaves nothing on the machine, a second down neither, and up works again', async () => {
  await done('down')
  await assertNothingLeft()
  await done('down')
  const { code, err } = await cluster('up', '--nodes', '1')
  assert.equal(code, 0, err)
  await done('down')
  await assertNothingLeft()
})
