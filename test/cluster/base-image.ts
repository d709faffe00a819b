/** `localhost/debian:12`: what Dockerfiles with `ARG BASE` stand on where no registry is reachable. Made once, from Debian's packages. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildah, buildImage } from './buildah.ts'
import { run } from './commands.ts'
import { paths } from './paths.ts'

export const baseImage = 'localhost/debian:12'

/** The machine's own certificate authorities: behind a proxy that has one, pip and npm fail inside a build without it. */
const ownAuthorities = '/usr/local/share/ca-certificates'

export async function provideBaseImage(say: (line: string) => void): Promise<void> {
  if ((await buildah('images', '--format', '{{.ID}}', '--filter', `reference=${baseImage}`)).trim()) return
  const folder = join(paths.cache, 'debian')
  const archive = join(folder, 'base.tar')
  if (!existsSync(archive)) {
    say(`making the base image ${baseImage} from Debian's packages, once (about two minutes)`)
    await makeArchive(folder, archive)
  }
  writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nADD base.tar /\nCMD ["/bin/bash"]\n')
  await buildImage(baseImage, folder)
}

async function makeArchive(folder: string, archive: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const partial = join(folder, 'partial.tar')
  rmSync(partial, { force: true })
  const hasOwn = existsSync(ownAuthorities) && readdirSync(ownAuthorities).length > 0
  await run(['mmdebstrap', '--variant=minbase', '--include=ca-certificates',
    ...hasOwn ? [`--customize-hook=copy-in ${ownAuthorities} /usr/local/share`, '--customize-hook=chroot "$1" update-ca-certificates'] : [],
    'bookworm', partial])
  renameSync(partial, archive)
}
