import { readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, stateFolder } from '#shared/checkout.mjs'
import { endRunningCommands } from '../../services/cli/setup/commands.mjs'
import { makePythonEnvironment } from '../../services/cli/setup/python-environment.mjs'
import { isStamped, stampOf } from '../../services/cli/setup/stamps.mjs'

const requirementFiles = ['test/bench/requirements.txt']
const constraintFile = 'test/bench/constraints.txt'
const prefix = 'venv-bench-'

/**
 * The path of Chaos Toolkit's `chaos`, in an environment of its own beside set-up's: it wants other versions of some packages than Locust, and nobody but the
 * bench needs it. Made when it is not there, from PyPI, in half a minute.
 */
export async function chaosToolkitProgram({ tell, signal }: { tell(doing: string): void; signal: AbortSignal }): Promise<string> {
  const stamp = stampOf([checkout, ...[constraintFile, ...requirementFiles].map(file => readFileSync(join(checkout, file), 'utf8'))])
  const folder = join(stateFolder, `${prefix}${stamp}`)
  if (!isStamped(folder, stamp)) {
    tell('Chaos Toolkit is being installed into an environment of its own')
    for (const name of readdirSync(stateFolder)) if (name.startsWith(prefix)) rmSync(join(stateFolder, name), { recursive: true, force: true })
    signal.addEventListener('abort', endRunningCommands)
    await makePythonEnvironment(folder, { stamp, constraintFile, requirementFiles })
    signal.removeEventListener('abort', endRunningCommands)
  }
  return join(folder, 'bin/chaos')
}
