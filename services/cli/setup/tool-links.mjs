import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { checkout, toolFolder } from '#shared/checkout.mjs'
import { chosenTool, isExecutable } from '#shared/tools.mjs'

/**
 * Where a tool is that needs no set-up any more: chosen by the user, or in `.faultline/bin` with what it points to.
 * @param {string} tool
 * @returns {string | undefined} for people to read
 */
export function providedTool(tool) {
  const linked = join(toolFolder, tool)
  return chosenTool(tool) ?? (isExecutable(linked) ? relative(checkout, linked) : undefined)
}

/** Puts a link to a program into `.faultline/bin`. @param {string} tool @param {string} target absolute path */
export function linkTool(tool, target) {
  const withinCheckout = target.startsWith(`${checkout}/`) // which may be moved as a whole
  put(tool, fresh => symlinkSync(withinCheckout ? relative(toolFolder, target) : target, fresh))
}

/**
 * Puts a script into `.faultline/bin` that runs a program with shared libraries that the system lacks.
 * @param {string} tool
 * @param {string} program absolute path
 * @param {readonly string[]} libraryFolders absolute paths
 * @param {Readonly<Record<string, string>>} paths what else it finds by a variable: absolute paths
 */
export function wrapTool(tool, program, libraryFolders, paths = {}) {
  const libraries = libraryFolders.map(fromHere).join(':')
  const variables = Object.entries(paths).map(([name, path]) => `${name}=${fromHere(path)} `).join('')
  put(tool, fresh => {
    writeFileSync(fresh, `#!/bin/sh
# Made by set-up: Debian's ${tool}, unpacked and not installed, with the libraries it came with.
here=\${0%/*}
${variables}LD_LIBRARY_PATH=${libraries}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec ${fromHere(program)} "$@"
`)
    chmodSync(fresh, 0o755)
  })
}

/** @param {string} path absolute */
const fromHere = path => `"$here/${relative(toolFolder, path)}"`

/** @param {string} tool @param {(fresh: string) => void} make */
function put(tool, make) {
  mkdirSync(toolFolder, { recursive: true })
  const fresh = join(toolFolder, `.${tool}.new`)
  rmSync(fresh, { force: true })
  make(fresh)
  renameSync(fresh, join(toolFolder, tool))
}
