import { readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { InvalidInput, messageOf } from '#shared/errors.ts'
import { parseExperiments } from '#shared/experiment-file.ts'
import { withoutLogin } from '#shared/redaction.ts'
import { parseParent } from '../process-parent.ts'
import { whyUnwritable } from '../results-folder.ts'
import { knownBy, labelOf, printExperiment, printLocustfile, type Starter } from './starter.ts'

/** What was given makes no experiment, or its files cannot be written. */
class NothingBegun extends InvalidInput {
  readonly code = 'nothing_begun'
}

export interface InitOptions {
  host: string
  path: string[]
  /** `PID` or `NAME=PID`. */
  allow?: string
}

/**
 * `faultline init [FOLDER]`: a first experiment on a service of one's own, and its load; what to do next is the answer. It asks the service nothing, and overwrites
 * nothing. Throws NothingBegun, BadParent.
 */
export async function initCommand(folder: string, { host, path, allow }: InitOptions): Promise<string> {
  const wrong = path.find(asked => !asked.startsWith('/'))
  if (wrong !== undefined) throw new NothingBegun(`--path ${wrong}: expected a path on ${withoutLogin(host)}, such as /${wrong.replace(/^\W+/, '')}; a folder is named before --path`)
  const parent = allow === undefined ? undefined : parseParent(allow)
  const match = parent && knownBy(argvOf(parent.pid))
  if (parent && match === undefined) throw new NothingBegun(`--allow ${allow}: its command line names no program to know it by`)
  const label = allow?.includes('=') ? parent?.name : match && labelOf(match)
  const starter: Starter = { name: label === undefined ? 'first-load' : `${label.slice(0, 40)}-pause`, host, paths: path, match }
  const experiment = printExperiment(starter)
  const experimentFile = join(folder, 'experiment.yaml')
  const [problem] = parseExperiments(experiment, experimentFile).problems
  if (problem) throw new NothingBegun(`--host ${withoutLogin(host)}: expected ${problem.expected}`) // nothing else in it is anybody's words
  const why = whyUnwritable(folder) // asked first: below /proc, mkdir would try for ever
  if (why !== undefined) throw new NothingBegun(`${folder} cannot be written: ${why}; name another folder, as in faultline init first`)
  await mkdir(folder, { recursive: true })
  const locustfile = join(folder, 'locustfile.py')
  await writeNew(experimentFile, experiment)
  await writeNew(locustfile, printLocustfile(starter)).catch(async (error: unknown) => {
    await rm(experimentFile)
    throw error
  })
  const named = relative('.', experimentFile)
  const typed = inShell(named)
  const opted = parent && label !== undefined ? ` --allow ${label}=${parent.pid}` : ''
  return `${named}
${relative('.', locustfile)}

next:
  npx faultline plan ${typed}${opted}      # what would be done; changes nothing
  npx faultline run ${typed}${opted}       # under a minute, to the first verdict
`
}

/** As a shell takes it for one word. */
const inShell = (word: string) => /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll('\'', '\'\\\'\'')}'`

function argvOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch (error) {
    throw new NothingBegun(`the command line of process ${pid} cannot be read: ${messageOf(error)}`)
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: 'wx' }).catch((error: unknown) => {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    throw new NothingBegun(isThere ? `${path} is there already, and nothing is overwritten: name another folder, as in faultline init first` : `${path} cannot be written: ${messageOf(error)}`)
  })
}
