import { isPublicKey } from '#shared/signing-key.ts'

/** Whatever none of them has signed is checked with each. */
const mostKeys = 16
/** Of a text that is something else altogether. */
const mostProblems = 5

/**
 * Public keys that all count, such as an old one and the next: one a line, or separated by commas; `#` begins a comment. Something else among them has the
 * whole text refused, with its first problems and never what may be a seed by mistake. A text without a key holds none. Pure.
 */
export function parsePublicKeys(text: string): { content: readonly string[] } | { problems: readonly string[] } {
  const written = text.split('\n').flatMap((line, index) => line.replace(/#.*/, '').split(',').map(key => ({ key: key.trim(), at: `line ${index + 1}` }))).filter(({ key }) => key !== '')
  const problems = written.flatMap(({ key, at }) => isPublicKey(key) ? [] : [`${at} holds ${told(key)}, which is no nkeys public key: U and 55 more letters and digits, the last of them a checksum`])
  const content = [...new Set(written.map(({ key }) => key))]
  if (content.length > mostKeys) problems.push(`it holds ${content.length} public keys; at most ${mostKeys}`)
  return problems.length > 0 ? { problems: problems.slice(0, mostProblems) } : { content }
}

/** Public keys begin with U, seeds with S. */
const told = (text: string): string => text.startsWith('U') ? JSON.stringify(text.slice(0, 60)) : 'something'
