import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether an Authorization header bears one of these tokens, in a time that does not tell how much of it was right. An empty one opens nothing. */
export function bears(header: string | undefined, ...tokens: (string | undefined)[]): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const given = digest(header ?? '')
  return tokens.filter(token => token !== undefined && token !== '' && timingSafeEqual(given, digest(`Bearer ${token}`))).length > 0
}

/** The same for callers that can only be given a URL, such as `http://any:TOKEN@host/`: the token is the password (RFC 7617). */
export function bearsAsPassword(header: string | undefined, ...tokens: (string | undefined)[]): boolean {
  const [, encoded = ''] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '') ?? []
  const login = Buffer.from(encoded, 'base64').toString()
  return login.includes(':') && bears(`Bearer ${login.slice(login.indexOf(':') + 1)}`, ...tokens)
}
