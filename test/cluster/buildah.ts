/** Images are built by buildah, in a storage of the cluster's own, without a daemon. */
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './commands.ts'
import { archiveOf } from './images.ts'
import { pauseImage } from './node-files.ts'
import { paths } from './paths.ts'
import { MachineUnfit } from './problems.ts'
import { record } from './record.ts'
import { findOnSystem } from '#shared/tools.mjs'

const storage = join(paths.cache, 'buildah')

export function buildah(command: string, ...args: string[]): Promise<string> {
  recordBlobCache()
  return run(['buildah', '--root', storage, '--runroot', join(paths.cache, 'buildah-run'), command, ...args])
}

/** The one thing that buildah puts elsewhere, whatever its options: a table of layers that it can do without. */
function recordBlobCache(): void {
  const home = '/var/lib/containers'
  const cache = join(home, 'cache')
  if (!existsSync(home)) record({ made: 'folder', path: home })
  if (!existsSync(cache)) record({ made: 'file', path: cache })
}

export async function buildImage(tag: string, folder: string, { file = join(folder, 'Dockerfile'), buildArguments = [] }: { file?: string; buildArguments?: readonly string[] } = {}): Promise<void> {
  // chroot: build steps need no namespaces of their own, and so work where those are refused
  await buildah('bud', '--quiet', '--isolation', 'chroot', '--cni-config-dir', join(paths.cache, 'cni'), '--layers', '--tag', tag, ...buildArguments.flatMap(argument => ['--build-arg', argument]), '--file', file, folder)
}

/** Writes an image's archive where every node finds it, when it is whole. */
export async function archiveImage(tag: string, archive = archiveOf(tag)): Promise<void> {
  mkdirSync(paths.images, { recursive: true })
  const partial = `${archive}.${process.pid}.partial`
  rmSync(partial, { force: true }) // buildah adds to none that is there
  await buildah('push', '--quiet', tag, `docker-archive:${partial}:${tag}`)
  renameSync(partial, archive)
}

/** The container that holds a pod's namespaces: the same small init that is a node's first process. */
export async function providePauseImage(): Promise<void> {
  const init = findOnSystem('catatonit')
  if (!init) throw new MachineUnfit('catatonit is not installed.')
  const kept = join(paths.cache, 'pause.tar')
  if (!existsSync(kept)) {
    const folder = join(paths.cache, 'pause')
    mkdirSync(folder, { recursive: true })
    copyFileSync(init, join(folder, 'pause'))
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause", "-P"]\n')
    await buildImage(pauseImage, folder)
    await archiveImage(pauseImage, kept)
  }
  mkdirSync(paths.images, { recursive: true })
  copyFileSync(kept, archiveOf(pauseImage))
}
