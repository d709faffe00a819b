import { readdirSync } from 'node:fs'
import type { FaultKind } from '#shared/fault.ts'

/** The folder is the registry: each file in it exports one kind as its default. Adding a kind touches no other file. */
export async function load<T extends { kind: string }>(folder: string, beside = import.meta.url): Promise<ReadonlyMap<string, T>> {
  const url = new URL(`${folder}/`, beside)
  const files = readdirSync(url).filter(file => file.endsWith('.ts')).sort()
  const kinds = await Promise.all(files.map(async file => {
    const module = await import(new URL(file, url).href) as { default: T }
    return module.default
  }))
  return new Map(kinds.map(kind => [kind.kind, kind]))
}

/** Gates and probes are elsewhere: the agents, of which there is one on each node, need neither, nor the parser of PromQL. */
export const faultKinds = await load<FaultKind>('faults')
