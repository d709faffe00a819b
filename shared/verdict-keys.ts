import { SettingInvalid, type Config } from '#shared/config.ts'
import { parsePublicKeys } from '#shared/public-keys.ts'
import { rotatingPublicKeys, type Rotation } from '#shared/rotating-keys.ts'

const name = 'verdicts.publicKey'

/**
 * The public keys that verdicts must be signed with, as the settings say; none: whoever signs, or nobody. Throws SettingInvalid, also for a file without a key, which
 * would have every verdict count.
 */
export function verdictKeys(config: Config): readonly string[] {
  const keys = parsePublicKeys(config.get(name) ?? '')
  if ('problems' in keys) throw new SettingInvalid(`${name}: ${keys.problems.join('; ')}`)
  if (keys.content.length === 0 && config.fileOf(name) !== undefined) throw new SettingInvalid(`${config.fileOf(name)}: ${name} holds no public key`)
  return keys.content
}

/** The same as they are now, for a service: others as soon as their file is another. */
export function verdictKeysNow(config: Config, rotation: Rotation): () => readonly string[] {
  if (config.fileOf(name) !== undefined) return rotatingPublicKeys(config, name, rotation)
  const keys = verdictKeys(config)
  return () => keys
}
