import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { packageManagerEnvironment, stateFolder } from '#shared/checkout.mjs'
import { CommandFailed, runCommand } from './commands.mjs'
import { isDebian, unpackDebianPackages } from './debian-packages.mjs'
import { putInPlace } from './stamps.mjs'
import { linkTool, providedTool } from './tool-links.mjs'
import { environmentVariable, findOnSystem } from '#shared/tools.mjs'

/** Needs the two tags: with every service discovery compiled in, it does not build as a dependency-free `go install`. */
const goTags = 'remove_all_sd,enable_kubernetes_sd'
const goVersion = 'v0.316.0'

/** @typedef {'prometheus' | 'promtool'} Program */

export const prometheus = step({ name: 'Prometheus', program: 'prometheus', neededFor: 'demo' })
/** Checks and tries the alert rules. */
export const promtool = step({ name: 'promtool', program: 'promtool', neededFor: 'tests' })

/**
 * @param {{ name: string, program: Program, neededFor: import('./steps.mjs').Step['neededFor'] }} wanted
 * @returns {import('./steps.mjs').Step}
 */
function step({ name, program, neededFor }) {
  return {
    name,
    neededFor,

    present() {
      return providedTool(program) ?? findOnSystem(program)
    },

    async provide(say) {
      /** @type {string[]} */
      const failures = []
      if (isDebian()) {
        try {
          return linkTool(program, await fromDebian(program))
        } catch (error) {
          if (!(error instanceof CommandFailed)) throw error
          failures.push(error.message)
        }
      }
      if (findOnSystem('go')) {
        say('go install, about 5 minutes')
        return linkTool(program, await fromGo(program))
      }
      throw new Error([
        'not on PATH, not to be had as a Debian package, and there is no Go to build it; '
        + `install it from https://prometheus.io/download and put it on PATH, or set ${environmentVariable(program)}.`,
        ...failures,
      ].join('\n'))
    },
  }
}

/** The package alone: its programs are static, and what it depends on is for the server's web pages. @param {Program} program */
async function fromDebian(program) {
  const unpacked = await unpackDebianPackages({ name: 'prometheus', packages: ['prometheus'], dependencies: 'none' })
  return join(unpacked, 'usr/bin', program)
}

/** @param {Program} program */
async function fromGo(program) {
  const work = join(stateFolder, 'go.partial')
  const finished = join(stateFolder, program === 'prometheus' ? 'go' : `go-${program}`)
  rmSync(work, { recursive: true, force: true })
  mkdirSync(join(work, 'result'), { recursive: true })
  await runCommand('go', ['install', '-modcacherw', '-tags', goTags, `github.com/prometheus/prometheus/cmd/${program}@${goVersion}`], {
    env: {
      ...packageManagerEnvironment(),
      GOBIN: join(work, 'result'), GOPATH: join(work, 'path'), GOCACHE: join(work, 'cache'), GOTMPDIR: '', GOFLAGS: '', CGO_ENABLED: '0',
    },
  })
  putInPlace(join(work, 'result'), finished)
  rmSync(work, { recursive: true, force: true })
  return join(finished, program)
}
