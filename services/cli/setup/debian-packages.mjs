/**
 * Gets Debian's (or Ubuntu's) packages as an ordinary user, and unpacks them instead of installing them.
 *
 * apt-get needs root only for its state and for dpkg: with folders of its own for package lists and downloads, it updates,
 * resolves dependencies against what the system has, verifies signatures and downloads as anybody.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageManagerEnvironment, stateFolder } from '#shared/checkout.mjs'
import { runCommand } from './commands.mjs'
import { isStamped, putInPlace, stampOf, writeStamp } from './stamps.mjs'
import { findOnSystem } from '#shared/tools.mjs'

const debianFolder = join(stateFolder, 'debian')
const aptFolder = join(debianFolder, 'apt')

/** @typedef {{ name: string, packages: readonly string[], dependencies: 'missing' | 'none' }} Unpacking */

export function isDebian() {
  return ['apt-get', 'dpkg-deb'].every(findOnSystem)
}

/** Where an unpacking lies, when it is whole. @param {Unpacking} unpacking @returns {string | undefined} */
export function unpackedFolder(unpacking) {
  const folder = join(debianFolder, unpacking.name)
  return isStamped(folder, stampOfUnpacking(unpacking)) ? folder : undefined
}

/**
 * Downloads packages, with those of their dependencies that the system lacks if asked for, and unpacks them into one folder.
 * @param {Unpacking} unpacking
 * @returns {Promise<string>} the folder, as the root of a small file system
 */
export async function unpackDebianPackages(unpacking) {
  const present = unpackedFolder(unpacking)
  if (present) return present
  await updateLists()
  const partial = join(debianFolder, `${unpacking.name}.partial`)
  const downloads = join(debianFolder, `${unpacking.name}.downloads`)
  for (const folder of [partial, downloads]) rmSync(folder, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  mkdirSync(join(downloads, 'partial'), { recursive: true })
  await download(unpacking, downloads)
  for (const file of readdirSync(downloads).filter(name => name.endsWith('.deb'))) {
    await runCommand('dpkg-deb', ['--extract', join(downloads, file), partial])
  }
  rmSync(downloads, { recursive: true, force: true })
  writeStamp(partial, stampOfUnpacking(unpacking))
  const folder = join(debianFolder, unpacking.name)
  putInPlace(partial, folder)
  return folder
}

/**
 * The folders of shared libraries in an unpacking, with those below them that packages keep for themselves: their programs look there
 * (RUNPATH) only where they would be installed.
 * @param {string} unpacked
 */
export function libraryFolders(unpacked) {
  const shared = ['usr/lib', 'lib'].flatMap(folder => foldersIn(join(unpacked, folder)).filter(path => path.includes('-linux-gnu')))
  return shared.flatMap(folder => [folder, ...foldersIn(folder).filter(holdsLibraries)])
}

/** @param {string} path */
function foldersIn(path) {
  try {
    return readdirSync(path, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => join(path, name))
  } catch {
    return []
  }
}

/** @param {string} path */
const holdsLibraries = path => readdirSync(path).some(name => /^lib.*\.so(?:\.|$)/.test(name))

/** @param {Unpacking} unpacking @param {string} downloads */
async function download({ packages, dependencies }, downloads) {
  if (dependencies === 'none') {
    await apt(['download', ...packages], { cwd: downloads })
    return
  }
  await apt(['install', '--yes', '--download-only', '--reinstall', '--no-install-recommends', '--option', `Dir::Cache::Archives=${downloads}/`, ...packages])
}

/** @type {Promise<unknown> | undefined} */
let updated

/** Once in a set-up. A source that does not answer is not fatal: the download says whether it was needed. */
function updateLists() {
  updated ??= apt(['update'])
  return updated
}

/** @param {readonly string[]} args @param {{ cwd?: string }} [options] */
function apt(args, options = {}) {
  return runCommand('apt-get', ['--config-file', writeAptSettings(), '--quiet=2', ...args], { ...options, env: packageManagerEnvironment() })
}

/** The system's sources, keys and proxies stay in force; its state folders and its hooks do not. */
function writeAptSettings() {
  for (const folder of ['lists/partial', 'cache', 'log']) mkdirSync(join(aptFolder, folder), { recursive: true })
  const file = join(aptFolder, 'apt.conf')
  writeFileSync(file, `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
APT::Sandbox::User "";
Debug::NoLocking "true";
Acquire::Languages "none";
Dir::State "${aptFolder}/";
Dir::State::Lists "${aptFolder}/lists/";
Dir::State::Status "/var/lib/dpkg/status";
Dir::Cache "${aptFolder}/cache/";
Dir::Log "${aptFolder}/log/";
`)
  return file
}

/** @param {Unpacking} unpacking */
function stampOfUnpacking({ packages, dependencies }) {
  return stampOf([readFileSync('/etc/os-release', 'utf8'), process.arch, dependencies, ...packages])
}
