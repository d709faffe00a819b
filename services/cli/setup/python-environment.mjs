import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { checkout, packageManagerEnvironment, pythonEnvironment, stateFolder } from '#shared/checkout.mjs'
import { runCommand } from './commands.mjs'
import { isDebian, unpackDebianPackages } from './debian-packages.mjs'
import { isStamped, stampOf, writeStamp } from './stamps.mjs'
import { findOnSystem } from '#shared/tools.mjs'
import { isAtLeast, parseVersion } from './versions.mjs'

const leastPython = '3.11' // Locust's
const requirementFiles = ['k8s/shop/requirements.txt', 'k8s/locust/requirements.txt', 'services/cli/setup/requirements.txt']

/** Versions of what those packages need in turn, so that two machines get the same ones. */
const constraintFile = 'services/cli/setup/constraints.txt'

/** @type {import('./steps.mjs').Step} */
export const pythonPackages = {
  name: 'Python environment',
  neededFor: 'demo',

  present() {
    if (!existsSync(pythonEnvironment) || !isStamped(pythonEnvironment, stamp())) return undefined
    const version = pythonVersionOf(pythonEnvironment)
    return version === undefined ? undefined : `Python ${version}`
  },

  async provide() {
    // The scripts in it hold its path, so it cannot be made elsewhere and renamed: a new one gets a new name, and a link to
    // the one in force is renamed over the old link.
    const folder = join(stateFolder, `venv-${stamp()}`)
    const previous = linkTarget(pythonEnvironment)
    await makePythonEnvironment(folder, { stamp: stamp(), constraintFile, requirementFiles })
    pointTo(folder)
    removeOthers([basename(folder), previous])
  },
}

/**
 * Makes an environment with those packages, in place of whatever is in the folder. Without its stamp it is half made.
 * @param {string} folder where it is to stay
 * @param {{ stamp: string, constraintFile: string, requirementFiles: readonly string[] }} packages files by their paths in the checkout
 */
export async function makePythonEnvironment(folder, packages) {
  const python = await findPython()
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await makeEnvironment(python, folder)
  await runCommand(join(folder, 'bin/python'), [
    '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--prefer-binary', '--quiet',
    '--constraint', packages.constraintFile, ...packages.requirementFiles.flatMap(file => ['--requirement', file]),
  ], { cwd: checkout, env: packageManagerEnvironment() })
  writeStamp(folder, packages.stamp)
}

/** What the environment is made from. The checkout's own path counts, since the scripts in it hold that path. */
function stamp() {
  return stampOf([checkout, ...[constraintFile, ...requirementFiles].map(file => readFileSync(join(checkout, file), 'utf8'))])
}

/**
 * The version whose packages are in the environment; undefined when its interpreter is gone, or has become another version
 * because the system was upgraded.
 * @param {string} environment
 */
function pythonVersionOf(environment) {
  try {
    const version = parseVersion(basename(realpathSync(join(environment, 'bin/python'))))
    const made = readdirSync(join(environment, 'lib')).map(parseVersion)[0]
    return version === undefined || version === made ? made : undefined
  } catch {
    return undefined
  }
}

async function findPython() {
  for (const name of ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11']) {
    const path = findOnSystem(name)
    if (!path) continue
    const version = parseVersion(await runCommand(path, ['-c', 'import platform; print(platform.python_version())']).catch(() => ''))
    if (version && isAtLeast(version, leastPython)) return path
  }
  throw new Error(`no Python ${leastPython} or later on PATH; on Debian and Ubuntu: apt-get install python3 python3-venv`)
}

/**
 * Debian ships Python without ensurepip unless python3-venv is installed. Then virtualenv does, or a pip from elsewhere that
 * installs pip: the system's, or the wheel in Debian's own package.
 * @param {string} python
 * @param {string} folder
 */
async function makeEnvironment(python, folder) {
  const env = packageManagerEnvironment()
  const can = async (/** @type {string} */ module) => runCommand(python, ['-c', `import ${module}`], { env }).then(() => true, () => false)
  if (await can('ensurepip')) {
    await runCommand(python, ['-m', 'venv', folder], { env })
    return
  }
  if (findOnSystem('virtualenv')) {
    await runCommand('virtualenv', ['--quiet', '--python', python, folder], { env })
    return
  }
  const pip = await can('pip') ? ['-m', 'pip', '--python', join(folder, 'bin/python')] : undefined
  if (!await can('venv') || (!pip && !isDebian())) {
    throw new Error(`${python} has neither ensurepip nor pip, and there is no virtualenv on PATH; on Debian and Ubuntu: apt-get install python3-venv`)
  }
  await runCommand(python, ['-m', 'venv', '--without-pip', folder], { env })
  if (pip) await runCommand(python, [...pip, 'install', '--quiet', 'pip'], { env })
  else await runCommand(join(folder, 'bin/python'), [`${await debianPipWheel()}/pip`, 'install', '--quiet', 'pip'], { env })
}

/** A wheel is an archive that Python can run from. */
async function debianPipWheel() {
  const unpacked = await unpackDebianPackages({ name: 'pip', packages: ['python3-pip-whl'], dependencies: 'none' })
  const wheels = join(unpacked, 'usr/share/python-wheels')
  const wheel = readdirSync(wheels).find(name => name.startsWith('pip-'))
  if (!wheel) throw new Error('Debian\'s package python3-pip-whl holds no pip; apt-get install python3-venv')
  return join(wheels, wheel)
}

/** @param {string} folder */
function pointTo(folder) {
  const fresh = `${pythonEnvironment}.new`
  rmSync(fresh, { force: true })
  symlinkSync(basename(folder), fresh)
  renameSync(fresh, pythonEnvironment)
}

/** @param {string} link */
function linkTarget(link) {
  return lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(link) : undefined
}

/**
 * Removes older environments, but not the one that was in force until now: a run may still be using it. Those of `npm run bench` are its own.
 * @param {readonly (string | undefined)[]} kept
 */
function removeOthers(kept) {
  for (const name of readdirSync(stateFolder)) {
    if (name.startsWith('venv-') && !name.startsWith('venv-bench-') && !kept.includes(name)) rmSync(join(stateFolder, name), { recursive: true, force: true })
  }
}
