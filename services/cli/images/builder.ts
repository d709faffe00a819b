/** What builds an image and writes it to a file or a registry: Docker, or buildah, which needs no daemon and no namespaces. */
import { rmSync } from 'node:fs'
import { FaultlineError } from '#shared/errors.ts'
import { findOnSystem } from '#shared/tools.mjs'
import { runVisibly, works } from './commands.ts'
import { pathOf, type Image } from './image.ts'

export interface Builder {
  name: BuilderName
  build(image: Image, tag: string, base: string | undefined): Promise<void>
  /** Writes a docker-archive. */
  save(tag: string, archive: string): Promise<void>
  push(tag: string): Promise<void>
}

export const builderNames = ['docker', 'buildah'] as const
export type BuilderName = typeof builderNames[number]

/** Nothing here can build an image. */
export class NoBuilder extends FaultlineError {
  readonly code = 'no_image_builder'
}

const buildArguments = (base: string | undefined): string[] => base === undefined ? [] : ['--build-arg', `BASE=${base}`]

const builders: Record<BuilderName, Builder> = {
  docker: {
    name: 'docker',
    build: ({ context, dockerfile }, tag, base) => runVisibly(['docker', 'build', '--tag', tag, '--file', pathOf(dockerfile), ...buildArguments(base), pathOf(context)]),
    save: (tag, archive) => runVisibly(['docker', 'save', '--output', archive, tag]),
    push: tag => runVisibly(['docker', 'push', tag]),
  },
  buildah: {
    name: 'buildah',
    // --layers: a step whose input has not changed is not done again
    build: ({ context, dockerfile }, tag, base) => runVisibly(['buildah', 'bud', '--isolation', 'chroot', '--layers', '--tag', tag, '--file', pathOf(dockerfile), ...buildArguments(base), pathOf(context)]),
    async save(tag, archive) {
      rmSync(archive, { force: true }) // buildah adds to none that is there
      await runVisibly(['buildah', 'push', '--quiet', tag, `docker-archive:${archive}:${tag}`])
    },
    push: tag => runVisibly(['buildah', 'push', tag]),
  },
}

/** The one that was asked for, else the first that works. */
export async function chooseBuilder(wanted: BuilderName | undefined): Promise<Builder> {
  if (wanted !== undefined) return builders[wanted]
  if (findOnSystem('docker') !== undefined && await works(['docker', 'version'])) return builders.docker // the program alone builds nothing
  if (findOnSystem('buildah') !== undefined) return builders.buildah
  throw new NoBuilder('neither a Docker daemon nor buildah is here; install one of them')
}
