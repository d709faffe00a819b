import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes the folder unless it is there. Each file that is written is there whole or not at all; its path is what that gives. */
export async function openResultsFolder(folder: string): Promise<(name: string, text: string) => Promise<string>> {
  await mkdir(folder, { recursive: true })
  return async (name, text) => {
    const path = join(folder, name)
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
    return path
  }
}
