import { readFile } from 'node:fs/promises'
import { readConfig } from '#shared/config.ts'
import { InvalidInput, messageOf } from '#shared/errors.ts'
import { isPublicKey, publicKeyPattern } from '#shared/signing-key.ts'
import { verdictKeys } from '#shared/verdict-keys.ts'

/** What should be a public key is none. */
export class KeyInvalid extends InvalidInput {
  readonly code = 'key_invalid'
}

/**
 * The public keys that verdicts must be signed with: those named, each itself or as a file that holds it, in place of those of the settings
 * (`verdicts.publicKey`). Empty when nobody named any. Throws KeyInvalid, SettingInvalid.
 */
export async function trustedKeys(named: readonly string[] | undefined): Promise<string[]> {
  return named === undefined ? verdictKeys(readConfig()) : await Promise.all(named.map(keyOf))
}

async function keyOf(named: string): Promise<string> {
  const text = publicKeyPattern.test(named) ? named : await readFile(named, 'utf8').then(held => held.trim(), (cause: unknown) => {
    throw new KeyInvalid(`--public-key ${named} is neither a public key (U and 55 more letters and digits) nor a file that can be read: ${messageOf(cause)}`, { cause })
  })
  if (isPublicKey(text)) return text
  throw new KeyInvalid(`--public-key ${named} is no nkeys public key: U and 55 more letters and digits, the last of them a checksum`)
}
