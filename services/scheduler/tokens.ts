import { createHash, timingSafeEqual } from 'node:crypto'
import { tokenIn } from '#shared/bearer.ts'
import { sharedName, type Caller, type Role } from './roles.ts'
import type { HashedToken } from './tokens-file.ts'

/** Of a setting: its value, or whoever knows what it is now. Undefined and empty open nothing. */
export type Rotating = string | undefined | (() => string | undefined)

export interface TokensOptions {
  /** Opens everything. */
  api: Rotating
  metrics?: Rotating
  release?: Rotating
  /** Those of the tokens file, as it is now. */
  more?: (() => readonly HashedToken[]) | undefined
}

/** Whose token a request bears. All that may change is asked for each time, so that a token that was taken away opens nothing from then on. */
export interface Tokens {
  /** Undefined: nobody's. */
  callerOf(authorization: string | undefined): Caller | undefined
}

export function knownTokens({ api, metrics, release, more = () => [] }: TokensOptions): Tokens {
  const settings: readonly [name: string, role: Role, token: Rotating][] = [[sharedName, 'admin', api], ['release.token', 'release', release], ['metrics.token', 'metrics', metrics]]
  return {
    callerOf(authorization) {
      const given = tokenIn(authorization)
      if (given === undefined || given.token === '') return undefined
      const hash = digest(given.token)
      const all = [...settings.flatMap(([name, role, token]) => hashed(name, role, typeof token === 'function' ? token() : token)), ...more()]
      // every one is compared, in a time that does not tell how much of it was right
      const [found] = all.filter(known => timingSafeEqual(known.hash, hash))
      if (!found || (given.as === 'password' && found.role !== 'release')) return undefined
      return { name: found.name, role: found.role }
    },
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
const hashed = (name: string, role: Role, token: string | undefined): HashedToken[] => token === undefined || token === '' ? [] : [{ name, role, hash: digest(token) }]
