export interface Unpacking {
  /** Of its folder in `.faultline/debian`. */
  readonly name: string
  readonly packages: readonly string[]
  readonly dependencies: 'missing' | 'none'
}

export function isDebian(): boolean

/** Where an unpacking lies, when it is whole. */
export function unpackedFolder(unpacking: Unpacking): string | undefined

/** Downloads packages and unpacks them, as any user; returns the folder, as the root of a small file system. */
export function unpackDebianPackages(unpacking: Unpacking): Promise<string>

/** The folders of shared libraries in an unpacking. */
export function libraryFolders(unpacked: string): string[]
