import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { packageManagerEnvironment, stateFolder } from '#shared/checkout.mjs'
import { CommandFailed, runCommand } from './commands.mjs'
import { isDebian, unpackDebianPackages } from './debian-packages.mjs'
import { putInPlace } from './stamps.mjs'
import { linkTool, providedTool } from './tool-links.mjs'
import { findOnSystem } from '#shared/tools.mjs'

/** Needs the two tags: with every service discovery compiled in, it does not build as a dependency-free `go install`. */
const goPackage = 'github.com/prometheus/prometheus/cmd/prometheus@v0.316.0'
const goTags = 'remove_all_sd,enable_kubernetes_sd'

/** @type {import('./steps.mjs').Step} */
export const prometheus = {
  name: 'Prometheus',
  neededFor: 'demo',

  present() {
    return providedTool('prometheus') ?? findOnSystem('prometheus')
  },

  async provide(say) {
    /** @type {string[]} */
    const failures = []
    if (isDebian()) {
      try {
        return linkTool('prometheus', await fromDebian())
      } catch (error) {
        if (!(error instanceof CommandFailed)) throw error
        failures.push(error.message)
      }
    }
    if (findOnSystem('go')) {
      say('go install, about 5 minutes')
      return linkTool('prometheus', await fromGo())
    }
    throw new Error([
      'not on PATH, not to be had as a Debian package, and there is no Go to build it; '
      + 'install it from https://prometheus.io/download and put it on PATH, or set FAULTLINE_PROMETHEUS_BIN.',
      ...failures,
    ].join('\n'))
  },
}

/** The package alone: it is one static program, and what it depends on is for its web pages. */
async function fromDebian() {
  const unpacked = await unpackDebianPackages({ name: 'prometheus', packages: ['prometheus'], dependencies: 'none' })
  return join(unpacked, 'usr/bin/prometheus')
}

async function fromGo() {
  const work = join(stateFolder, 'go.partial')
  const finished = join(stateFolder, 'go')
  rmSync(work, { recursive: true, force: true })
  mkdirSync(join(work, 'result'), { recursive: true })
  await runCommand('go', ['install', '-modcacherw', '-tags', goTags, goPackage], {
    env: {
      ...packageManagerEnvironment(),
      GOBIN: join(work, 'result'), GOPATH: join(work, 'path'), GOCACHE: join(work, 'cache'), GOTMPDIR: '', GOFLAGS: '', CGO_ENABLED: '0',
    },
  })
  putInPlace(join(work, 'result'), finished)
  rmSync(work, { recursive: true, force: true })
  return join(finished, 'prometheus')
}
