import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDebian, libraryFolders, unpackDebianPackages } from './debian-packages.mjs'
import { providedTool, wrapTool } from './tool-links.mjs'
import { findOnSystem } from '#shared/tools.mjs'

/**
 * A tool that comes from PATH, else from Debian's packages.
 * @param {{ name: string, unpacking: import('./debian-packages.mjs').Unpacking, programs: Record<string, string>, surround?: (unpacked: string) => Record<string, string> }} tool
 *   `programs`: where each program lies in the unpacked packages; `surround`: makes what they need beside them, and tells which variables lead there
 * @returns {import('./steps.mjs').Step}
 */
function debianTool({ name, unpacking, programs, surround = () => ({}) }) {
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
      const paths = surround(unpacked)
      for (const [tool, path] of Object.entries(programs)) {
        const program = join(unpacked, path)
        if (!existsSync(program)) throw new Error(`the packages ${unpacking.packages.join(', ')} of this system do not hold ${path} (Ubuntu's chromium is a snap); install ${tool} otherwise, or set its path (faultline doctor says where).`)
        wrapTool(tool, program, libraryFolders(unpacked), paths)
      }
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

/** The browser of the live page's tests. Fonts are no dependency of it; without any it draws boxes. */
export const chromium = debianTool({
  name: 'Chromium',
  unpacking: { name: 'chromium', packages: ['chromium', 'fonts-dejavu-core'], dependencies: 'missing' },
  programs: { chromium: 'usr/lib/chromium/chromium' }, // usr/bin/chromium is a script that knows only where it would be installed
  surround(unpacked) {
    const file = join(unpacked, 'fonts.conf')
    writeFileSync(file, fontsConfiguration)
    return { FONTCONFIG_FILE: file }
  },
})

/** fonts.conf(5): those unpacked beside the file, and the system's. */
const fontsConfiguration = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
`
