import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether an Authorization header bears one of these tokens, in a time that does not tell how much of it was right. */
export function bears(header: string | undefined, ...tokens: (string | undefined)[]): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const given = digest(header ?? '')
  return tokens.filter(token => token !== undefined && timingSafeEqual(given, digest(`Bearer ${token}`))).length > 0
}
