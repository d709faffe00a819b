/**
 * A machine in software (QEMU, no KVM) with Debian's cloud kernel, for what the host's kernel lacks: sch_netem, for one. Its root are the host's own
 * files, read-only, by virtiofs, so that it runs this checkout as it is. It has no network but ports of the host's that are forwarded to it. Its clock is its own.
 * Boots in some seconds, and is five times slower than its host.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { isDebian, libraryFolders, unpackDebianPackages } from '../../services/cli/setup/debian-packages.mjs'

const run = promisify(execFile)
const checkout = fileURLToPath(new URL('../..', import.meta.url))
/** In order: virtio_pci does not find its halves by itself in this kernel. The last ones are what faults and their stage use. */
const modules = [
  'virtio_ring', 'virtio', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev', 'virtio_pci', 'virtiofs',
  'failover', 'net_failover', 'virtio_net',
  'veth', 'sch_htb', 'sch_netem', 'sch_tbf', 'nf_tables', 'nft_ct', 'nft_limit', 'nft_numgen', 'nft_redir', 'nft_reject_inet', 'nft_chain_nat',
]
const moduleFolders = ['arch', 'crypto', 'drivers/net/net_failover.ko', 'drivers/net/veth.ko', 'drivers/net/virtio_net.ko', 'drivers/virtio', 'fs/fuse', 'lib', 'net']
const packages = { name: 'qemu', packages: ['qemu-system-x86', 'linux-image-cloud-amd64', 'busybox-static'], dependencies: 'missing' } as const

export interface Ended { code: number; output: string }

/** Why there can be no guest here; undefined where there can. */
export const guestLacks = (): string | undefined =>
  process.getuid?.() !== 0 ? 'needs root' : !isDebian() ? 'needs Debian\'s packages' : process.arch !== 'x64' ? 'needs x86-64' : undefined

/** Gets what it is made of, for who starts it where no network is. */
export const prepareGuest = async (): Promise<void> => void await unpackDebianPackages(packages)

/**
 * Runs a command in it, from the folder of this checkout. Needs root (virtiofsd), and Debian's packages. `code`: of the command. Throws, with what was printed,
 * when the guest did not get so far within the time. Nothing of it is left.
 */
export async function runInGuest(command: readonly string[], { timeoutMs = 120_000 } = {}): Promise<Ended> {
  await using made = new AsyncDisposableStack()
  const { guest, printed } = await boot(made, `cd ${quoted(checkout)} && ${command.map(quoted).join(' ')}\n`)
  const given = new AbortController()
  await Promise.race([once(guest, 'close'), delay(timeoutMs, undefined, { signal: given.signal }).catch(() => undefined)])
  given.abort()
  const code = /^guest: ended with (\d+)$/m.exec(printed())?.[1]
  if (code === undefined) throw new Error(`the guest has not ended its command within ${timeoutMs} ms; it printed:\n${printed()}`)
  return { code: Number(code), output: printed() }
}

/** Where the guest finds its host, whose 127.0.0.1 that is (QEMU's user network). */
export const hostInGuest = '10.0.2.2'
const guestAddress = '10.0.2.15'
const bootWithinMs = 120_000

export interface Guest extends AsyncDisposable {
  /** Runs a line of shell as root, one after the other; what it leaves in the background goes on. Rejects, with what was printed, when it fails or does not end in time. */
  run(line: string, options?: { timeoutMs?: number }): Promise<string>
}

/**
 * A guest that waits for lines of shell on its console, and ends with its disposal. `ports`: of 127.0.0.1, TCP, forwarded to the same port of the guest's; they accept
 * connections before anybody there listens. The guest reaches every port of the host's 127.0.0.1, so it belongs into a network namespace.
 */
export async function startGuest({ ports }: { ports: readonly number[] }): Promise<Guest> {
  await using made = new AsyncDisposableStack()
  const forwards = ports.map(port => `,hostfwd=tcp:127.0.0.1:${port}-${guestAddress}:${port}`).join('')
  const { guest, printed } = await boot(made, `stty -echo
ip address add ${guestAddress}/24 dev eth0 && ip link set eth0 up && ip route add default via ${hostInGuest}
echo "guest: done $?"
while read -r line; do eval "$line"; echo "guest: done $?"; done
`, ['-netdev', `user,id=network${forwards}`, '-device', 'virtio-net-pci,netdev=network,romfile='])

  async function ended(what: string, timeoutMs: number, from = 0): Promise<string> {
    const givenUpAt = performance.now() + timeoutMs
    for (;;) {
      const said = printed().slice(from)
      const end = /^guest: done (\d+)\n/m.exec(said)
      if (end?.[1] === '0') return said.slice(0, end.index)
      if (end || performance.now() > givenUpAt || guest.exitCode !== null) throw new Error(`${what}: ${end ? `ended with ${end[1]}` : `no end within ${timeoutMs} ms`} in the guest, which printed:\n${said}`)
      await delay(5)
    }
  }

  async function run(line: string, timeoutMs: number): Promise<string> {
    const from = printed().length
    guest.stdin?.write(`${line}\n`)
    return ended(line, timeoutMs, from)
  }

  let last: Promise<unknown> = ended('booting', bootWithinMs)
  await last
  const owned = made.move()
  return {
    run(line, { timeoutMs = 60_000 } = {}) {
      const ran = last.then(() => run(line, timeoutMs))
      last = ran.catch(() => undefined)
      return ran
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function boot(made: AsyncDisposableStack, command: string, network: readonly string[] = []) {
  const { kernel, initramfs, qemu, virtiofsd } = await build(made)
  const folder = made.use(await mkdtempDisposable(join(tmpdir(), 'guest-'))).path
  const image = join(folder, 'initramfs')
  await initramfs(image, command)
  const socket = join(folder, 'files')
  start(made, virtiofsd, [`--socket-path=${socket}`, '-o', 'source=/', '-o', 'cache=always', '-o', 'sandbox=chroot', '-o', 'log_level=err', '-f'])
  while (!existsSync(socket)) await delay(20)
  const guest = start(made, qemu, [
    '-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1536M', '-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio',
    '-object', 'memory-backend-memfd,id=memory,size=1536M,share=on', '-numa', 'node,memdev=memory',
    '-chardev', `socket,id=files,path=${socket}`, '-device', 'vhost-user-fs-pci,chardev=files,tag=host', ...network,
    '-kernel', kernel, '-initrd', image, '-append', 'console=ttyS0 quiet panic=-1',
  ])
  guest.stdin?.on('error', () => undefined) // it has ended, which shows
  let output = ''
  guest.stdout?.setEncoding('utf8').on('data', (chunk: string) => { output += chunk })
  return { guest, printed: () => output.replaceAll('\r', '') } // a line's end may come in two pieces
}

/** As the guest's shell takes it for one word. */
export const quoted = (word: string): string => `'${word.replaceAll('\'', `'\\''`)}'`

function start(made: AsyncDisposableStack, { program, env, before }: Program, args: readonly string[]) {
  const child = spawn(program, [...before, ...args], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  made.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}

interface Program { program: string; env: NodeJS.ProcessEnv; before: readonly string[] }

/** The packages, unpacked, and how the guest's first files are made of them. */
async function build(made: AsyncDisposableStack) {
  const unpacked = await unpackDebianPackages(packages)
  const version = readdirSync(join(unpacked, 'lib/modules'))[0] ?? ''
  const env = { LD_LIBRARY_PATH: libraryFolders(unpacked).join(':') }
  const busybox = join(unpacked, 'bin/busybox')
  return {
    kernel: join(unpacked, `boot/vmlinuz-${version}`),
    qemu: { program: join(unpacked, 'usr/bin/qemu-system-x86_64'), env, before: ['-L', join(unpacked, 'usr/share/qemu'), '-L', join(unpacked, 'usr/share/seabios')] },
    virtiofsd: { program: join(unpacked, 'usr/lib/qemu/virtiofsd'), env, before: [] },
    async initramfs(file: string, command: string): Promise<void> {
      const root = `${file}.d`
      made.defer(() => rmSync(root, { recursive: true, force: true }))
      for (const folder of ['bin', 'dev', 'proc', 'sys', 'sbin', 'usr/sbin', `lib/modules/${version}/kernel`]) mkdirSync(join(root, folder), { recursive: true })
      for (const folder of moduleFolders) cpSync(join(unpacked, 'lib/modules', version, 'kernel', folder), join(root, 'lib/modules', version, 'kernel', folder), { recursive: true })
      cpSync(busybox, join(root, 'bin/busybox'))
      cpSync(fileURLToPath(new URL('init', import.meta.url)), join(root, 'init'), { mode: 0 })
      writeFileSync(join(root, 'modules'), modules.join('\n'))
      writeFileSync(join(root, 'command'), command)
      await run(busybox, ['depmod', '-b', root, version])
      await run('sh', ['-c', 'cd "$1" && chmod 755 init && find . | "$2" cpio -o -H newc > "$3"', 'sh', root, busybox, file])
    },
  }
}
