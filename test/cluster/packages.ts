/** Programs from Debian's (or Ubuntu's) packages. Asked for by program: a containerd that Docker installed is as good as Debian's. */
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { findOnSystem } from '#shared/tools.mjs'
import { run } from './commands.ts'
import { pluginFolder } from './node-files.ts'
import { MachineUnfit } from './problems.ts'
import { record } from './record.ts'

const packageOf: Readonly<Record<string, string>> = {
  buildah: 'buildah', catatonit: 'catatonit', containerd: 'containerd', 'containerd-shim-runc-v2': 'containerd', ctr: 'containerd', etcd: 'etcd-server',
  ip: 'iproute2', iptables: 'iptables', mmdebstrap: 'mmdebstrap', mount: 'mount', nsenter: 'util-linux', openssl: 'openssl', runc: 'runc', unshare: 'util-linux',
}

export function missingPackages(): string[] {
  const missing = Object.entries(packageOf).filter(([program]) => !findOnSystem(program)).map(([, name]) => name)
  if (!existsSync(`${pluginFolder()}/bridge`)) missing.push('containernetworking-plugins')
  return [...new Set(missing)].sort()
}

export async function providePackages(say: (line: string) => void): Promise<void> {
  const missing = missingPackages()
  if (missing.length === 0) return
  if (!findOnSystem('apt-get')) {
    throw new MachineUnfit(`there is no apt-get here, and these are missing: ${missing.join(', ')} (Debian's names). Install them by this system's means, then repeat.`)
  }
  say(`installing ${missing.join(', ')}`)
  using _ = keepServicesFromStarting()
  const env = { DEBIAN_FRONTEND: 'noninteractive', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
  await run(['dpkg', '--configure', '-a'], { env }) // an earlier installation may have been killed
  await run(['apt-get', '--quiet=2', 'update'], { env })
  // --no-remove: rather no cluster than one at the price of the Docker that is there
  await run(['apt-get', '--quiet=2', '--yes', '--no-remove', '--no-install-recommends', 'install', ...missing], { env })
  const still = missingPackages()
  if (still.length > 0) throw new MachineUnfit(`installed without an error, and still not there: ${still.join(', ')}.`)
}

/** Debian starts a service when its package is installed; nobody asked for an etcd and a containerd of the machine's own. */
function keepServicesFromStarting(): Disposable {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return { [Symbol.dispose]: () => {} }
  record({ made: 'file', path: policy })
  writeFileSync(policy, '#!/bin/sh\n# made by faultline\'s test cluster while it installs packages\nexit 101\n', { mode: 0o755 })
  return { [Symbol.dispose]: () => rmSync(policy, { force: true }) }
}
