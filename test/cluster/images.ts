/** Images as archives in the cluster's folder, and which node has which: there is no registry. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './commands.ts'
import { nodeName, paths } from './paths.ts'

/** The archive of an image, such as `localhost_shop_1.tar`. */
export const archiveOf = (tag: string): string => join(paths.images, `${tag.replaceAll(/[^A-Za-z0-9._-]/g, '_')}.tar`)

/** Gives a node every image that it does not have in its present version; its disk keeps them over a power cut. */
export async function importImages(node: number, socket: string): Promise<void> {
  const done = join(paths.nodes, nodeName(node), 'imported')
  mkdirSync(done, { recursive: true })
  mkdirSync(paths.images, { recursive: true })
  for (const name of readdirSync(paths.images).filter(file => file.endsWith('.tar')).sort()) {
    const archive = join(paths.images, name)
    const { size, mtimeMs } = statSync(archive)
    const version = `${size} ${mtimeMs}`
    if (readIfThere(join(done, name)) === version) continue
    await run(['ctr', '--address', socket, '--namespace', 'k8s.io', 'images', 'import', archive])
    writeFileSync(join(done, name), version)
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
