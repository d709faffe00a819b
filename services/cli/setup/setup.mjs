#!/usr/bin/env node
/**
 * `npm run setup`: everything that faultline needs and the machine lacks, into node_modules and `.faultline`.
 *
 * Runs on the system's own Node.js before anything is installed, so: plain JavaScript, Node's own modules only. Needs no
 * root and changes nothing outside the checkout but the caches of npm and pip. Each step says at once when there is nothing
 * to do, makes its folder under another name before it puts it in place, and can be killed and repeated.
 */
import { endRunningCommands } from './commands.mjs'
import { releaseLock, takeLock } from './lock.mjs'
import { steps } from './steps.mjs'
import { isAtLeast } from './versions.mjs'

const leastNode = '20'
const exitInfrastructure = 4

process.exitCode = await main()

async function main() {
  if (process.platform !== 'linux') {
    console.error(`setup: faultline runs on Linux; this is ${process.platform}.`)
    return exitInfrastructure
  }
  if (!isAtLeast(process.versions.node, leastNode)) {
    console.error(`setup: needs Node.js ${leastNode} or later; this is ${process.versions.node}.`)
    return exitInfrastructure
  }
  takeLock(() => console.log('setup: waiting for another set-up of this checkout to end'))
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.once(signal, () => {
      endRunningCommands()
      process.kill(process.pid, signal) // the handler is gone: this ends the process, and the caller sees by what
    })
  }
  let failed = false
  for (const step of steps) {
    if (!await take(step) && step.neededFor !== 'tests') failed = true
  }
  releaseLock()
  return failed ? exitInfrastructure : 0
}

/**
 * Does one step and prints its line; one that fails does not keep the others from being tried.
 * @param {import('./steps.mjs').Step} step
 * @returns {Promise<boolean>} whether what it provides is there
 */
async function take(step) {
  const startedMs = performance.now()
  const end = (/** @type {string} */ text) => console.log(`${text}  ${((performance.now() - startedMs) / 1000).toFixed(2)} s`)
  process.stdout.write(step.name.padEnd(20))
  try {
    const before = step.present()
    if (before !== undefined) {
      end(before)
      return true
    }
    process.stdout.write('… ')
    await step.provide(doing => process.stdout.write(`${doing} … `))
    const after = step.present()
    if (after === undefined) throw new Error('installed without an error, and still not there; remove .faultline and run `npm run setup` again.')
    end(after)
    return true
  } catch (error) {
    end(step.neededFor === 'tests' ? 'not available (some tests need it)' : 'FAILED')
    console.error((error instanceof Error ? error.message : String(error)).replace(/^/gm, '    '))
    return false
  }
}
