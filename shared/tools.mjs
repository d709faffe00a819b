/**
 * Where every part finds the programs it runs. Set-up puts what the machine lacks into `.faultline/bin`.
 */
import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pythonEnvironment, toolFolder } from './checkout.mjs'

/** Administrators' programs (nft, tc) are not on every user's PATH. */
const administratorFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** A program is neither in the environment's setting, nor in `.faultline`, nor on PATH. */
export class ToolMissing extends Error {
  /** @param {string} tool @param {string} why */
  constructor(tool, why) {
    super(`${tool}: ${why} Run \`npm run setup\`, or put ${tool} on PATH, or set ${environmentVariable(tool)} to its path; \`faultline doctor\` says more.`)
    this.name = 'ToolMissing'
    this.code = 'tool_missing'
    this.exitCode = 4 // infrastructure
    this.tool = tool
  }
}

/**
 * The path of a program: `FAULTLINE_<NAME>_BIN`, else `.faultline/bin`, else the Python environment, else PATH.
 * @param {string} tool such as `nats-server`
 * @returns {string} an absolute path, or what the environment variable says
 * @throws {ToolMissing}
 */
export function toolPath(tool) {
  const found = findTool(tool)
  if (!found) throw new ToolMissing(tool, 'not found.')
  return found
}

/**
 * The same for a program that one can do without.
 * @param {string} tool
 * @returns {string | undefined}
 * @throws {ToolMissing} when the user's choice is no program
 */
export function findTool(tool) {
  return chosenTool(tool) ?? [toolFolder, join(pythonEnvironment, 'bin')].map(folder => join(folder, tool)).find(isExecutable) ?? findOnSystem(tool)
}

/**
 * What the user has chosen by `FAULTLINE_<NAME>_BIN`, if anything. A wrong choice is an error, not a reason to take another.
 * @param {string} tool
 * @returns {string | undefined}
 * @throws {ToolMissing}
 */
export function chosenTool(tool) {
  const variable = environmentVariable(tool)
  const path = process.env[variable]
  if (!path) return undefined
  if (!isExecutable(path)) throw new ToolMissing(tool, `${variable} is ${path}, which is not an executable file.`)
  return path
}

/**
 * Looks on PATH and in the administrators' folders, leaving out what set-up made.
 * @param {string} tool
 * @returns {string | undefined}
 */
export function findOnSystem(tool) {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...administratorFolders]
  return folders.filter(folder => folder.startsWith('/')).map(folder => join(folder, tool)).find(isExecutable)
}

/**
 * Debian keeps PostgreSQL's servers off PATH, one folder a version.
 * @returns {string[]} newest version first
 */
export function debianPostgresqlFolders() {
  const home = '/usr/lib/postgresql'
  try {
    return readdirSync(home).sort((a, b) => Number(b) - Number(a)).map(version => join(home, version, 'bin'))
  } catch {
    return []
  }
}

/** @param {string} tool such as `nats-server`, which gives `FAULTLINE_NATS_SERVER_BIN` */
export function environmentVariable(tool) {
  return `FAULTLINE_${tool.toUpperCase().replaceAll('-', '_')}_BIN`
}

/** @param {string} path */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
