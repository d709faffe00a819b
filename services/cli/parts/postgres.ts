import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FaultlineError, messageOf } from '#shared/errors.ts'
import { toolPath } from '#shared/tools.mjs'
import type { ChildPlan } from '#shared/process/child-plan.ts'

/** PostgreSQL refuses to run as root, and this machine offers no way to be somebody else. */
export class PostgresRefusesRoot extends FaultlineError {
  readonly code = 'postgres_refuses_root'
}

/** The database's folder could not be made; the message holds initdb's words. */
export class PostgresNotPrepared extends FaultlineError {
  readonly code = 'postgres_not_prepared'
}

/** Who PostgreSQL runs as: this user, a name inside a user namespace of root's, or another user. */
export type Identity = { kind: 'self' } | { kind: 'namespace'; uid: number } | { kind: 'user'; uid: number; gid: number }

const user = 'shop'
const database = 'postgres' // the one initdb makes

// Small, for a database of some thousand rows that shares two cores with everything else. Durability stays on: what the shop has
// acknowledged is on disk.
// No unix socket: its path may have 107 bytes at most, and the folder is the caller's choice.
const settings = (port: number) => `
listen_addresses = '127.0.0.1'
port = ${port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 32MB
fsync = on
synchronous_commit = on
max_wal_size = 256MB
jit = off
log_min_messages = warning
log_checkpoints = off
`

/**
 * A new database in `folder`: its data, its password, and the child that serves it. The child ends quickly on SIGINT (on SIGTERM it
 * waits for its clients). Throws PostgresRefusesRoot, PostgresNotPrepared.
 */
export async function preparePostgres({ folder, port }: { folder: string; port: number }): Promise<{ plan: ChildPlan; url: string }> {
  const as = await identity()
  const data = join(folder, 'data')
  const password = randomBytes(18).toString('base64url')
  const passwordFile = join(folder, 'password')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (as.kind === 'user') for (const path of [folder, passwordFile]) chownSync(path, as.uid, as.gid)
  try {
    await execute([...prefix(as),
      toolPath('initdb'), '--pgdata', data, '--username', user, '--pwfile', passwordFile, '--auth', 'scram-sha-256', '--encoding', 'UTF8',
      '--locale', 'C', '--no-sync', '--no-instructions',
    ], folder)
    writeFileSync(join(data, 'postgresql.auto.conf'), settings(port))
  } catch (error) {
    throw new PostgresNotPrepared(`initdb could not make a database in ${folder}: ${messageOf(error)}`, { cause: error })
  }
  return { plan: serverPlan(as, folder, data), url: `postgresql://${user}:${password}@127.0.0.1:${port}/${database}` }
}

function serverPlan(as: Identity, folder: string, data: string): ChildPlan {
  const [program, ...args] = [...prefix(as), toolPath('postgres'), '-D', data]
  return {
    name: 'postgres', argv: [program, ...args], env: {}, cwd: folder,
    ready: { kind: 'log', pattern: 'database system is ready to accept connections' },
  }
}

/** What goes before a command for it to run under an identity. Each execs and none forks, so that the child's PID is the postmaster's. */
function prefix(as: Identity): string[] {
  switch (as.kind) {
    case 'self': return []
    case 'namespace': return ['unshare', '--user', `--map-user=${as.uid}`, `--map-group=${as.uid}`, '--']
    case 'user': return ['setpriv', `--reuid=${as.uid}`, `--regid=${as.gid}`, '--clear-groups', '--']
  }
}

/** Root becomes somebody inside a user namespace where it can: the files stay root's, and no account needs to own or reach them. */
async function identity(): Promise<Identity> {
  if (process.getuid?.() !== 0) return { kind: 'self' }
  const account = unprivilegedAccount(readFileSync('/etc/passwd', 'utf8'))
  if (account === undefined) throw new PostgresRefusesRoot('PostgreSQL refuses to run as root, and /etc/passwd has no other account; run this as another user.')
  const choices: Identity[] = [{ kind: 'namespace', uid: account.uid }, { kind: 'user', ...account }]
  const failures: string[] = []
  for (const choice of choices) {
    try {
      await execute([...prefix(choice), 'true'], '/')
      return choice
    } catch (error) {
      failures.push(messageOf(error).trim())
    }
  }
  throw new PostgresRefusesRoot(`PostgreSQL refuses to run as root, and root can become nobody else here; run this as another user. Tried: ${failures.join('; ')}`)
}

/** The account to appear as. initdb wants one with a name; which one matters little, as nothing is written outside its folder. */
function unprivilegedAccount(passwd: string): { uid: number; gid: number } | undefined {
  const accounts = passwd.split('\n').map(line => line.split(':')).map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
  const usable = accounts.filter(({ name, uid, gid }) => name !== '' && uid > 0 && gid > 0)
  const found = ['postgres', 'nobody'].map(name => usable.find(account => account.name === name)).find(account => account !== undefined) ?? usable[0]
  return found && { uid: found.uid, gid: found.gid }
}

async function execute(command: string[], cwd: string): Promise<void> {
  const [program = '', ...args] = command
  await promisify(execFile)(program, args, { cwd, env: { ...process.env, LC_ALL: 'C' } })
}
