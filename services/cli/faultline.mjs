#!/usr/bin/env node
/**
 * The command `faultline`, on whatever Node.js the system has: finds one that runs faultline's own code.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkout } from '#shared/checkout.mjs'
import { bundledNode, isThisNodeLateEnough, runInNode } from './setup/later-node.mjs'

const main = join(checkout, 'services/cli/main.ts')
const exitInfrastructure = 4

/** npm writes this file last. */
const packagesInstalled = existsSync(join(checkout, 'node_modules/.package-lock.json'))

if (packagesInstalled && isThisNodeLateEnough()) {
  await import(main)
} else {
  const node = packagesInstalled ? bundledNode() : undefined
  if (node) {
    process.exitCode = await runInNode(node.path, main, process.argv.slice(2))
  } else {
    console.error('faultline: not set up yet; run `npm run setup` in the checkout first.')
    process.exitCode = exitInfrastructure
  }
}
