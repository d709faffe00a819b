import { readFile } from 'node:fs/promises'
import { readConfig } from '#shared/config.ts'
import { InvalidInput, messageOf } from '#shared/errors.ts'
import { parsePublicKeys } from '#shared/public-keys.ts'
import { publicKeyPattern } from '#shared/signing-key.ts'
import { verdictKeys } from '#shared/verdict-keys.ts'

/** What should be a public key is none. */
export class KeyInvalid extends InvalidInput {
  readonly code = 'key_invalid'
}

/**
 * The public keys that verdicts must be signed with: those named, each itself or as a file that holds one or several, in place of those of the
 * settings (`verdicts.publicKey`). Empty when nobody named any. Throws KeyInvalid, SettingInvalid.
 */
export async function trustedKeys(named: readonly string[] | undefined): Promise<readonly string[]> {
  return named === undefined ? verdictKeys(readConfig()) : (await Promise.all(named.map(keysOf))).flat()
}

async function keysOf(named: string): Promise<readonly string[]> {
  const text = publicKeyPattern.test(named) ? named : await readFile(named, 'utf8').catch((cause: unknown) => {
    throw new KeyInvalid(`--public-key ${named} is neither a public key (U and 55 more letters and digits) nor a file that can be read: ${messageOf(cause)}`, { cause })
  })
  const keys = parsePublicKeys(text)
  if ('problems' in keys) throw new KeyInvalid(`--public-key ${named}: ${keys.problems.join('; ')}`)
  if (keys.content.length === 0) throw new KeyInvalid(`--public-key ${named} holds no public key`)
  return keys.content
}
