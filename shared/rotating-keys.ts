import { SettingInvalid, type Config } from '#shared/config.ts'
import { parsePublicKeys } from '#shared/public-keys.ts'
import { learnSecret } from '#shared/redaction.ts'
import { openRotatingFile, type RotatingFileOptions } from '#shared/rotating-file.ts'
import { signerOf, verifierOf, type Signer, type Verify } from '#shared/signing-key.ts'

/**
 * Signing keys as the settings have them. Where one comes from a file (a variable in _FILE) it is another as soon as the file is: the file is looked at when something
 * is to be signed or checked, once a second at most (rotating-file.ts), so that an idle service does nothing for it, and keys are made when it has changed, not for each message.
 */

type KeyPair = 'commands' | 'vouchers' | 'verdicts'
type SeedName = `${KeyPair}.signingSeed`
type PublicKeysName = `${KeyPair}.publicKey`

/** Who hears of a file that is another, and by which clock it is looked at. */
export type Rotation = Pick<RotatingFileOptions<unknown>, 'log' | 'nowMs'>

/** Who signs now. Throws SettingInvalid for what is not set, or no seed at the start; what is none later changes nothing, and is told without it. */
export function rotatingSigner(config: Config, name: SeedName, rotation: Rotation): () => Signer {
  return rotating(config, name, rotation, text => {
    const seed = text.trim()
    learnSecret(name, seed)
    try {
      return { content: signerOf(seed) }
    } catch { // its message could hold the seed
      return { problems: [`${name} is no nkeys seed; faultline signing-key FILE makes one`] }
    }
  })
}

/** Checks with the public keys as they are now: any of them is good. Throws SettingInvalid for what is not set, or no public key at the start. */
export function rotatingVerifier(config: Config, name: PublicKeysName, rotation: Rotation): Verify {
  const verifierNow = rotating(config, name, rotation, text => {
    const keys = readPublicKeys(name, text)
    return 'content' in keys ? { content: verifierOf(...keys.content) } : keys
  })
  return (text, signature) => verifierNow()(text, signature)
}

/** The public keys as they are now; at least one. Throws SettingInvalid for what is not set, or no public key at the start. */
export function rotatingPublicKeys(config: Config, name: PublicKeysName, rotation: Rotation): () => readonly string[] {
  return rotating(config, name, rotation, text => readPublicKeys(name, text))
}

/** A file without a key is a slip: there is nobody whom all should obey, and none is not the same as any. */
function readPublicKeys(name: PublicKeysName, text: string): ReturnType<typeof parsePublicKeys> {
  const keys = parsePublicKeys(text)
  if ('problems' in keys) return { problems: keys.problems.map(problem => `${name}: ${problem}`) }
  return keys.content.length > 0 ? keys : { problems: [`${name} holds no public key`] }
}

function rotating<T>(config: Config, name: SeedName | PublicKeysName, rotation: Rotation, read: RotatingFileOptions<T>['read']): () => T {
  const path = config.fileOf(name)
  if (path !== undefined) return openRotatingFile({ ...rotation, path, read })
  const found = read(config.need(name))
  if ('problems' in found) throw new SettingInvalid(found.problems.join('; '))
  return () => found.content
}
