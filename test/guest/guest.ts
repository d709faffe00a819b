/**
 * A machine in software (QEMU, no KVM) with Debian's cloud kernel, for what the host's kernel lacks: sch_netem, for one. Its root are the host's own
 * files, read-only, by virtiofs, so that it runs this checkout as it is; it has no network. Boots in some seconds, and is five times slower than its host.
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
import { libraryFolders, unpackDebianPackages } from '../../services/cli/setup/debian-packages.mjs'

const run = promisify(execFile)
const checkout = fileURLToPath(new URL('../..', import.meta.url))
/** In order: virtio_pci does not find its halves by itself in this kernel. The last ones are what faults and their stage use. */
const modules = [
  'virtio_ring', 'virtio', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev', 'virtio_pci', 'virtiofs',
  'veth', 'sch_htb', 'sch_netem', 'sch_tbf', 'nf_tables', 'nft_ct', 'nft_limit', 'nft_numgen', 'nft_redir', 'nft_reject_inet', 'nft_chain_nat',
]
const moduleFolders = ['arch', 'crypto', 'drivers/net/veth.ko', 'drivers/virtio', 'fs/fuse', 'lib', 'net']

export interface Ended { code: number; output: string }

/**
 * Runs a command in it, from the folder of this checkout. Needs root (virtiofsd), and Debian's packages. `code`: of the command. Throws, with what was printed,
 * when the guest did not get so far within the time. Nothing of it is left.
 */
export async function runInGuest(command: readonly string[], { timeoutMs = 120_000 } = {}): Promise<Ended> {
  await using made = new AsyncDisposableStack()
  const { kernel, initramfs, qemu, virtiofsd } = await build(made)
  const folder = made.use(await mkdtempDisposable(join(tmpdir(), 'guest-'))).path
  const image = join(folder, 'initramfs')
  await initramfs(image, `cd ${quoted(checkout)} && ${command.map(quoted).join(' ')}\n`)
  const socket = join(folder, 'files')
  start(made, virtiofsd, [`--socket-path=${socket}`, '-o', 'source=/', '-o', 'cache=always', '-o', 'sandbox=chroot', '-o', 'log_level=err', '-f'])
  while (!existsSync(socket)) await delay(20)
  const guest = start(made, qemu, [
    '-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1536M', '-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio',
    '-object', 'memory-backend-memfd,id=memory,size=1536M,share=on', '-numa', 'node,memdev=memory',
    '-chardev', `socket,id=files,path=${socket}`, '-device', 'vhost-user-fs-pci,chardev=files,tag=host',
    '-kernel', kernel, '-initrd', image, '-append', 'console=ttyS0 quiet panic=-1',
  ])
  let output = ''
  guest.stdout?.setEncoding('utf8').on('data', (chunk: string) => { output += chunk.replaceAll('\r\n', '\n') })
  const given = new AbortController()
  await Promise.race([once(guest, 'close'), delay(timeoutMs, undefined, { signal: given.signal }).catch(() => undefined)])
  given.abort()
  const code = /^guest: ended with (\d+)$/m.exec(output)?.[1]
  if (code === undefined) throw new Error(`the guest has not ended its command within ${timeoutMs} ms; it printed:\n${output}`)
  return { code: Number(code), output }
}

const quoted = (word: string): string => `'${word.replaceAll('\'', `'\\''`)}'`

function start(made: AsyncDisposableStack, { program, env, before }: Program, args: readonly string[]) {
  const child = spawn(program, [...before, ...args], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
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
  const unpacked = await unpackDebianPackages({ name: 'qemu', packages: ['qemu-system-x86', 'linux-image-cloud-amd64', 'busybox-static'], dependencies: 'missing' })
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
