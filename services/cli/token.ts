import { createHash, randomBytes } from 'node:crypto'
import { InvalidInput } from '#shared/errors.ts'
import { parseTokensFile, printToken } from '../scheduler/tokens-file.ts'

class TokenInvalid extends InvalidInput {
  readonly code = 'token_invalid'
}

/** `faultline token NAME ROLE`: 256 random bits, and the line of the tokens file that lets them in. Throws TokenInvalid. */
export function makeToken(name: string, role: string): string {
  const token = randomBytes(32).toString('base64url')
  const line = printToken({ name, role, hash: createHash('sha256').update(token).digest() })
  const read = parseTokensFile(line)
  if ('problems' in read) throw new TokenInvalid(read.problems.map(problem => problem.replace('line 1: ', '')).join('; '))
  if (read.content.length !== 1) throw new TokenInvalid(`${name} cannot be a name: it begins a comment`)
  return `token: ${token}\nline:  ${line}\n`
}
