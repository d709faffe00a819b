import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { mutatedSources, type Mutation } from '../parts/mutation.ts'

/** A copy of the sources, with what set-up has made as links, and a folder for whatever its tests write: nothing of both is left when it is disposed of. */
export interface Room extends AsyncDisposable {
  folder: string
  sources: string
  environment: NodeJS.ProcessEnv
  /** Has the copy be as it was but for that mutation. Throws as `mutatedSources` does. */
  mutate(mutation: Mutation): Promise<void>
  /** Takes the mutations out again. */
  restore(): Promise<void>
}

/** What is no source: made by set-up, by tests and runs, or by Git. */
const linked = ['node_modules', '.faultline']
const leftOut = new Set([...linked, '.git', 'results', 'test-results', 'coverage', 'run'])

/** `checkout`: a folder, which is only read. */
export async function openRoom(checkout: string): Promise<Room> {
  const folder = await mkdtemp(join(tmpdir(), 'threats-')) // a short name: paths of sockets are bounded
  const [sources, temporary] = [join(folder, 'sources'), join(folder, 't')]
  const close = () => rm(folder, { recursive: true, force: true })
  try {
    await mkdir(temporary)
    await cp(checkout, sources, { recursive: true, verbatimSymlinks: true, filter: path => !leftOut.has(relative(checkout, path).split(sep)[0] ?? '') })
    for (const name of linked) await symlink(join(checkout, name), join(sources, name))
  } catch (error) {
    await close()
    throw error
  }
  const changed = new Set<string>()
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env // of a test that runs this: its children would report to it
  return {
    folder, sources,
    environment: { ...environment, TMPDIR: temporary },
    async mutate(mutation) {
      for (const [url, source] of mutatedSources(mutation, pathToFileURL(`${sources}/`))) {
        changed.add(fileURLToPath(url))
        await writeFile(fileURLToPath(url), source)
      }
    },
    async restore() {
      for (const path of changed) await cp(join(checkout, relative(sources, path)), path)
      changed.clear()
    },
    [Symbol.asyncDispose]: close,
  }
}
