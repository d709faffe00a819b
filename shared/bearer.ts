import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether an Authorization header bears one of these tokens, in a time that does not tell how much of it was right. An empty one opens nothing. */
export function bears(header: string | undefined, ...tokens: (string | undefined)[]): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const given = digest(header ?? '')
  return tokens.filter(token => token !== undefined && token !== '' && timingSafeEqual(given, digest(`Bearer ${token}`))).length > 0
}

/**
 * The token of an Authorization header, as it came. `password`: of callers that can only be given a URL, such as `http://any:TOKEN@host/` (RFC 7617).
 * Undefined when there is none.
 */
export function tokenIn(header: string | undefined): { token: string; as: 'bearer' | 'password' } | undefined {
  if (header?.startsWith('Bearer ')) return { token: header.slice('Bearer '.length), as: 'bearer' }
  const [, encoded] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '') ?? []
  if (encoded === undefined) return undefined
  const login = Buffer.from(encoded, 'base64').toString()
  return login.includes(':') ? { token: login.slice(login.indexOf(':') + 1), as: 'password' } : undefined
}
