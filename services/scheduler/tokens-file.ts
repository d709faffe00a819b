import { roles, type Caller, type Role } from './roles.ts'

/** One line of the file. `hash`: SHA-256 of the token. */
export interface HashedToken extends Caller { hash: Buffer }

/** Names that would say something else than they are: of tokens that are settings. */
const taken = /^(?:api|metrics|release)\.token$/
const namePattern = /^[A-Za-z0-9](?:[-\w.@]{0,62})$/
/** Each is compared with whatever token a request shows. */
const mostTokens = 1_000

/**
 * Tokens and whose they are, one a line: `NAME:ROLE:SHA-256`, in hexadecimal digits; `#` begins a comment. The file opens nothing by itself: the tokens are
 * random and long, so that none can be guessed from its hash (a password could). A line that is wrong has the whole file refused, with every problem and never
 * what a hash field holds, which may be a token by mistake. Pure.
 */
export function parseTokensFile(text: string): { content: readonly HashedToken[] } | { problems: readonly string[] } {
  const tokens: HashedToken[] = []
  const problems: string[] = []
  for (const [index, written] of text.split('\n').entries()) {
    const line = written.replace(/#.*/, '').trim()
    if (line === '') continue
    const [name = '', role = '', hash = '', ...more] = line.split(':').map(field => field.trim())
    const at = `line ${index + 1}`
    if (more.length > 0 || hash === '') problems.push(`${at}: expected NAME:ROLE:SHA-256`)
    else if (!namePattern.test(name) || taken.test(name)) problems.push(`${at}: expected a name of letters, digits and -_.@, at most 63, that is none of a setting`)
    else if (!isRole(role)) problems.push(`${at}: expected one of ${roles.join(', ')} as the role of ${name}`)
    else if (!/^[0-9a-f]{64}$/i.test(hash)) problems.push(`${at}: expected the SHA-256 of ${name}'s token, 64 hexadecimal digits; faultline token makes both`)
    else if (tokens.some(token => token.name === name)) problems.push(`${at}: a second token of the name ${name}; name it after its use, such as ${name}-2`)
    else tokens.push({ name, role, hash: Buffer.from(hash, 'hex') })
  }
  if (tokens.length > mostTokens) problems.push(`${tokens.length} tokens; at most ${mostTokens}`)
  return problems.length > 0 ? { problems } : { content: tokens }
}

/** As the file has it, whatever they are. */
export const printToken = ({ name, role, hash }: { name: string; role: string; hash: Buffer }): string => `${name}:${role}:${hash.toString('hex')}`

const isRole = (text: string): text is Role => roles.some(role => role === text)
