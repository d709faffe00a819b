/**
 * The first version number in what a program prints about itself.
 * @param {string} text such as `redis-server: Redis server v=7.0.15 sha=0` or `nftables v1.0.6 (Lester Gooch #5)`
 * @returns {string | undefined} such as `7.0.15`
 */
export function parseVersion(text) {
  return /(?<![\d.])\d+(?:\.\d+)+/.exec(text)?.[0]
}

/**
 * Whether a version is at least another, number by number; missing numbers are 0.
 * @param {string} version such as `3.11.7` @param {string} least such as `3.10`
 */
export function isAtLeast(version, least) {
  const have = version.split('.').map(Number)
  const need = least.split('.').map(Number)
  for (let place = 0; place < Math.max(have.length, need.length); place++) {
    const difference = (have[place] ?? 0) - (need[place] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}
