import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { clusterFolder, logFile, paths } from './paths.ts'
import { CommandFailed, NotInTime } from './problems.ts'

export interface CommandOptions {
  input?: string
  env?: NodeJS.ProcessEnv
  cwd?: string
}

/** Runs a command to its end. Returns what it printed on standard output; when it fails, the error holds all it printed. */
export async function run(command: readonly string[], { input, env, cwd }: CommandOptions = {}): Promise<string> {
  const [program = '', ...args] = command
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env }, ...cwd !== undefined && { cwd } })
  let printed = ''
  let complaints = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { printed += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { complaints += text })
  child.stdin.on('error', () => {}) // it ended without reading its input, and its exit code says so
  child.stdin.end(input ?? '')
  try {
    await once(child, 'close')
  } catch (error) {
    throw new CommandFailed(`${program} could not be started; is its package installed? \`npm run cluster:up\` installs what it needs.`, { cause: error })
  }
  if (child.exitCode === 0) return printed
  const how = child.signalCode ?? `exit code ${child.exitCode}`
  throw new CommandFailed(`${command.join(' ')}: ${how}\n${`${printed}${complaints}`.trim().slice(-4000)}`)
}

/** Whether a command ends with 0. */
export async function works(command: readonly string[], options?: CommandOptions): Promise<boolean> {
  try {
    await run(command, options)
    return true
  } catch {
    return false
  }
}

/** Nothing of the shell or of npm that happened to run `up`; and whose it is, for those who look into /proc/PID/environ. */
const daemonEnvironment: NodeJS.ProcessEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C.UTF-8', FAULTLINE_CLUSTER_FOLDER: clusterFolder,
  ...process.env['FAULTLINE_CLUSTER_PREFIX'] !== undefined && { FAULTLINE_CLUSTER_PREFIX: process.env['FAULTLINE_CLUSTER_PREFIX'] },
  ...process.arch === 'arm64' && { ETCD_UNSUPPORTED_ARCH: 'arm64' }, // Debian 12's etcd 3.4 does not start there without being told to
}

/** Starts a process that outlives this one, in a session of its own; what it prints goes to its log. Returns its PID. */
export async function startDaemon(name: string, command: readonly string[]): Promise<number> {
  const [program = '', ...args] = command
  mkdirSync(paths.logs, { recursive: true })
  const log = openSync(logFile(name), 'a')
  try {
    const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log], cwd: '/', env: daemonEnvironment })
    await once(child, 'spawn')
    child.unref()
    return child.pid ?? 0
  } finally {
    closeSync(log)
  }
}

/**
 * Commands for a network namespace. Not `ip netns exec`: that mounts a new /sys, which hides the cgroups.
 */
export const inNamespace = (namespace: string, ...command: string[]): string[] => ['nsenter', `--net=/run/netns/${namespace}`, ...command]

export async function waitFor(what: string, seconds: number, isThere: () => boolean | Promise<boolean>): Promise<void> {
  const givenUpMs = performance.now() + seconds * 1000
  while (!await isThere()) {
    if (performance.now() >= givenUpMs) throw new NotInTime(`no ${what} after ${seconds} s; the logs in ${paths.logs} say why.`)
    await delay(100)
  }
}
