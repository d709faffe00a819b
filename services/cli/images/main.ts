/** `npm run images`: builds the images, and gives them to a registry or to nodes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { runProgram } from '../run-program.ts'
import { builderNames, chooseBuilder, type Builder, type BuilderName } from './builder.ts'
import { runVisibly } from './commands.ts'
import { chooseImages, images, pathOf, tagOf, type Image } from './image.ts'
import { intoContainerd, intoKind, type Loader } from './loaders.ts'

interface Options { only?: string[]; builder?: BuilderName; base?: string; version: string; push?: string; load?: 'kind' | 'cluster'; socket?: string[] }

const program = new Command('images')
  .description('Build the images: faultline\'s services, its NATS and Prometheus, the jewelry shop, its PostgreSQL and Redis, Locust.\nWithout --push, --load or --socket they stay with the builder. Exit codes: 0 done, 3 invalid input, 4 a program failed.')
  .option('--only <image...>', images.map(({ name }) => name).join(', '))
  .addOption(new Option('--builder <program>', 'else the first of these that works').choices(builderNames))
  .option('--base <image>', 'what to build upon in place of each Dockerfile\'s own base, such as localhost/debian:12 where no registry is reachable')
  .option('--version <tag>', 'what comes after the colon', 'dev')
  .addOption(new Option('--push <registry>', 'name them REGISTRY/faultline/..., and push them').conflicts(['load', 'socket']))
  .addOption(new Option('--load <where>', 'give them to each node of a local cluster: kind\'s, or that of npm run cluster:up').choices(['kind', 'cluster']).conflicts('socket'))
  .option('--socket <path...>', 'give them to each containerd that listens here')
  .exitOverride()
  .showHelpAfterError('(--help shows what there is)')
  .action(async ({ only = [], builder: wanted, base, version, push: registry, load, socket }: Options) => {
    const chosen = chooseImages(only)
    if (load === 'cluster') {
      for (const image of chosen) await provideInTestCluster(image, version, base)
      return
    }
    const builder = await chooseBuilder(wanted)
    const loader = load === 'kind' ? intoKind : socket && intoContainerd(socket)
    for (const image of chosen) {
      const tag = tagOf(image, { version, ...(registry !== undefined && { registry }) })
      await provide(builder, image, { tag, base, isPushed: registry !== undefined, loader })
      console.log(tag)
    }
  })

async function provide(builder: Builder, image: Image, { tag, base, isPushed, loader }: { tag: string; base: string | undefined; isPushed: boolean; loader: Loader | undefined }): Promise<void> {
  console.error(`images: building ${tag} with ${builder.name}`)
  await builder.build(image, tag, base)
  if (isPushed) await builder.push(tag)
  if (!loader) return
  const folder = mkdtempSync(join(tmpdir(), 'faultline-image-'))
  try {
    const archive = join(folder, `${image.name}.tar`)
    await builder.save(tag, archive)
    await loader(archive)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The cluster of `npm run cluster:up` builds in a storage of its own, on a base image that it has made. */
async function provideInTestCluster(image: Image, version: string, base: string | undefined): Promise<void> {
  const tag = tagOf(image, { version })
  await runVisibly([process.execPath, pathOf('test/cluster/cluster.ts'), 'image', tag, pathOf(image.context), '--file', pathOf(image.dockerfile),
    ...(base === undefined ? [] : ['--build-arg', `BASE=${base}`])])
  console.log(tag)
}

await runProgram(program)
