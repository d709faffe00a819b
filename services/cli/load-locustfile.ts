import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { InvalidInput } from '#shared/errors.ts'
import type { WrittenExperiment } from '#shared/experiment-file.ts'

/** An experiment's users are in a file that is not there. */
class LocustfileMissing extends InvalidInput {
  readonly code = 'locustfile_missing'
}

/** Each is looked for beside the file that names it, as the run will. Throws LocustfileMissing. */
export function demandLocustfiles(file: string, experiments: readonly WrittenExperiment[]): void {
  for (const { experiment: { name, load } } of experiments) {
    if (load?.locustfile === undefined) continue
    const path = resolve(dirname(file), load.locustfile)
    if (!existsSync(path)) throw new LocustfileMissing(`${file}: load.locustfile of ${name} is ${load.locustfile}, but there is no ${path}`)
  }
}
