/** Ways to give an image to nodes that have no registry to take it from. Each takes a docker-archive. */
import { findOnSystem } from '#shared/tools.mjs'
import { runVisibly } from './commands.ts'

export type Loader = (archive: string) => Promise<void>

export const intoKind: Loader = archive => runVisibly(['kind', 'load', 'image-archive', archive])

/** Imports into each containerd, as its kubelet's images. */
export function intoContainerd(sockets: readonly string[]): Loader {
  const ctr = findOnSystem('ctr') ?? 'ctr'
  return async archive => {
    for (const socket of sockets) await runVisibly([ctr, '--address', socket, '--namespace', 'k8s.io', 'images', 'import', archive])
  }
}
