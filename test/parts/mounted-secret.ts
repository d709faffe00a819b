import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where its files are, and how they become others. */
export interface MountedSecret {
  path(name: string): string
  /** These hold something else from this moment on, all at once; the others stay what they are. */
  set(changed: Readonly<Record<string, string>>): void
}

/** A folder as the kubelet mounts a Secret (AtomicWriter): each file is a link into `..data`, which is a link to a folder, and that link is what is replaced. */
export function mountSecret(folder: string, values: Readonly<Record<string, string>>): MountedSecret {
  mkdirSync(folder, { recursive: true })
  let current: Record<string, string> = {}
  let version = 0
  const set = (changed: Readonly<Record<string, string>>): void => {
    const added = Object.keys(changed).filter(name => !(name in current))
    current = { ...current, ...changed }
    const next = `..version-${version += 1}`
    mkdirSync(join(folder, next))
    for (const [name, value] of Object.entries(current)) writeFileSync(join(folder, next, name), value)
    symlinkSync(next, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    for (const name of added) symlinkSync(join('..data', name), join(folder, name))
  }
  set(values)
  return { path: name => join(folder, name), set }
}
