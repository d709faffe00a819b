/**
 * Kubernetes and what belongs to it, as binaries: from a cache of compressed ones where there is one, else built from the Go
 * module proxy, once. `down` keeps them.
 */
import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import { checkout } from '#shared/checkout.mjs'
import { findOnSystem, isExecutable } from '#shared/tools.mjs'
import { isAtLeast, parseVersion } from '../../services/cli/setup/versions.mjs'
import { run } from './commands.ts'
import { goEnvironment, provideGo } from './go.ts'
import { paths } from './paths.ts'
import { MachineUnfit } from './problems.ts'

/** 1.34 is the newest that starts on cgroup v1 without a fight, and runs on v2 as well. */
export const kubernetesVersion = '1.34.4'
const leastKubectl = '1.30'

interface Binary {
  name: string
  version: string
  /** Makes it say its version; also shows that it is for this architecture. */
  ask: readonly string[]
  /** Of what it says; a module that was installed as such may know no version. */
  expect: string
  minutes: number
  build(go: string, target: string): Promise<void>
}

const stamped = `-s -w -X k8s.io/component-base/version.gitVersion=v${kubernetesVersion} -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34`

const binaries: readonly Binary[] = [
  { name: 'hyperkube', version: kubernetesVersion, ask: ['kubelet', '--version'], expect: kubernetesVersion, minutes: 5, build: (go, target) => buildHere(go, '.', target) },
  { name: 'kubectl', version: kubernetesVersion, ask: ['version', '--client'], expect: kubernetesVersion, minutes: 3, build: (go, target) => buildHere(go, './kubectl', target) },
  { name: 'coredns', version: '1.15.0', ask: ['-version'], expect: '1.15.0', minutes: 2, build: (go, target) => installModule(go, 'github.com/coredns/coredns@v1.15.0', target) },
  { name: 'metrics-server', version: '0.9.0', ask: ['--version'], expect: 'v', minutes: 3, build: (go, target) => installModule(go, 'sigs.k8s.io/metrics-server/cmd/metrics-server@v0.9.0', target) },
]

export async function provideBinaries(say: (line: string) => void): Promise<void> {
  mkdirSync(paths.binaries, { recursive: true })
  for (const binary of binaries) await provide(binary, say)
}

async function provide(binary: Binary, say: (line: string) => void): Promise<void> {
  const { name, version, minutes } = binary
  const target = join(paths.binaries, name)
  if (isExecutable(target) && stampOf(name) === version) return
  const partial = `${target}.partial`
  rmSync(partial, { force: true })
  if (!await unpack(binary, partial) && !await linkSystems(binary, partial)) {
    const go = await provideGo(say)
    say(`building ${name} ${version} (about ${minutes} minutes on two cores, once)`)
    await binary.build(go, partial)
  }
  renameSync(partial, target)
  writeFileSync(stampFile(name), version)
}

/** From the cache, if what is there is the version that is wanted. */
async function unpack(binary: Binary, partial: string): Promise<boolean> {
  const compressed = cacheFolders().map(folder => join(folder, `${binary.name}.zst`)).find(existsSync)
  if (!compressed) return false
  await pipeline(createReadStream(compressed), createZstdDecompress(), createWriteStream(partial))
  chmodSync(partial, 0o755)
  if ((await run([partial, ...binary.ask]).catch(() => '')).includes(binary.expect)) return true
  rmSync(partial)
  return false
}

function cacheFolders(): string[] {
  const chosen = process.env['FAULTLINE_CLUSTER_CACHE']
  if (chosen && !existsSync(chosen)) throw new MachineUnfit(`FAULTLINE_CLUSTER_CACHE is ${chosen}, and there is no such folder.`)
  return [...chosen ? [chosen] : [], join(checkout, '../shared/testbed/bin')]
}

/** A kubectl that the system has is used unless it is too old for the cluster; Debian 12's is. */
async function linkSystems({ name }: Binary, partial: string): Promise<boolean> {
  if (name !== 'kubectl') return false
  const found = findOnSystem(name)
  if (!found) return false
  const version = parseVersion(await run([found, 'version', '--client']).catch(() => ''))
  if (!version || !isAtLeast(version, leastKubectl)) return false
  symlinkSync(found, partial)
  return true
}

async function buildHere(go: string, what: string, target: string): Promise<void> {
  await run([go, 'build', '-trimpath', '-ldflags', stamped, '-o', target, what], { cwd: join(import.meta.dirname, 'hyperkube'), env: goEnvironment() })
}

/** Into a folder of Go's own choice first: `go install` names no output file. */
async function installModule(go: string, module: string, target: string): Promise<void> {
  const env = goEnvironment()
  await run([go, 'install', '-trimpath', '-ldflags', '-s -w', module], { env })
  const name = /([^/]+)@/.exec(module)?.[1] ?? ''
  renameSync(join(env['GOBIN'] ?? '', name), target)
}

const stampFile = (name: string): string => join(paths.binaries, `${name}.version`)

function stampOf(name: string): string | undefined {
  try {
    return readFileSync(stampFile(name), 'utf8')
  } catch {
    return undefined
  }
}
