import { SettingInvalid, type Config } from '#shared/config.ts'
import { isPublicKey } from '#shared/signing-key.ts'

/** The public keys that verdicts must be signed with, as the settings say (`verdicts.publicKey`); none: whoever signs, or nobody. Throws SettingInvalid. */
export function verdictKeys(config: Config): string[] {
  const keys = (config.get('verdicts.publicKey') ?? '').split(',').map(key => key.trim()).filter(key => key !== '')
  const wrong = keys.find(key => !isPublicKey(key))
  if (wrong !== undefined) throw new SettingInvalid(`verdicts.publicKey holds ${JSON.stringify(wrong)}, which is no nkeys public key: U and 55 more letters and digits, the last of them a checksum`)
  return keys
}
