import { join } from 'node:path'
import { isDebian, libraryFolders, unpackDebianPackages } from './debian-packages.mjs'
import { providedTool, wrapTool } from './tool-links.mjs'
import { findOnSystem } from '#shared/tools.mjs'

/**
 * A tool that comes from PATH, else from Debian's packages.
 * @param {{ name: string, unpacking: import('./debian-packages.mjs').Unpacking, programs: Record<string, string> }} tool
 *   `programs`: where each program lies in the unpacked packages
 * @returns {import('./steps.mjs').Step}
 */
function debianTool({ name, unpacking, programs }) {
  const tools = Object.keys(programs)
  return {
    name,
    neededFor: 'tests',

    present() {
      const found = tools.map(tool => providedTool(tool) ?? findOnSystem(tool))
      return found.includes(undefined) ? undefined : found[0]
    },

    async provide() {
      if (!isDebian()) throw new Error(`not on PATH, and this is not a Debian or Ubuntu system; install ${tools.join(' and ')} with your package manager.`)
      const unpacked = await unpackDebianPackages(unpacking)
      for (const [tool, path] of Object.entries(programs)) wrapTool(tool, join(unpacked, path), libraryFolders(unpacked))
    },
  }
}

export const redis = debianTool({
  name: 'Redis',
  unpacking: { name: 'redis', packages: ['redis-server', 'redis-tools'], dependencies: 'missing' },
  programs: { 'redis-server': 'usr/bin/redis-server', 'redis-cli': 'usr/bin/redis-cli' },
})

export const nftables = debianTool({
  name: 'nftables',
  unpacking: { name: 'nftables', packages: ['nftables'], dependencies: 'missing' },
  programs: { nft: 'usr/sbin/nft' },
})
