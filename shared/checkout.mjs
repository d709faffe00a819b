import { accessSync, constants, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout this file lies in, without a slash at its end. */
export const checkout = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')

/** Everything that set-up makes, apart from node_modules, lies in here and may be deleted at any time. */
export const stateFolder = join(checkout, '.faultline')

/** Executables of the tools that set-up provides, found by `toolPath`. */
export const toolFolder = join(stateFolder, 'bin')

/** A link to the Python environment in force; see python-environment.mjs. */
export const pythonEnvironment = join(stateFolder, 'venv')

/**
 * The environment for the package managers that set-up runs.
 *
 * `npm run` puts node_modules/.bin first on PATH, and `npm ci` deletes that very folder while it runs: it must run on
 * the system's node. A user without a writable home (a service account, a container) gets one inside the checkout,
 * for the caches.
 * @returns {NodeJS.ProcessEnv}
 */
export function packageManagerEnvironment() {
  const path = (process.env['PATH'] ?? '').split(':').filter(folder => folder !== '' && !folder.includes('/node_modules/'))
  const home = homedir()
  return {
    ...process.env,
    PATH: path.join(':'),
    HOME: isWritableFolder(home) ? home : join(stateFolder, 'home'),
    LC_ALL: 'C.UTF-8',
  }
}

/** @param {string} path */
function isWritableFolder(path) {
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
