import { writeFile } from 'node:fs/promises'
import { InvalidInput, messageOf } from '#shared/errors.ts'
import { newSigningKey } from '#shared/signing-key.ts'

/** The file is there already, or cannot be written. */
class KeyNotWritten extends InvalidInput {
  readonly code = 'key_not_written'
}

/** `faultline signing-key FILE`: the seed into FILE, for its owner's eyes alone; the public key into FILE.pub. Overwrites nothing. */
export async function newKeyCommand(file: string): Promise<string> {
  const { seed, publicKey } = newSigningKey()
  const write = (path: string, text: string, mode: number) => writeFile(path, `${text}\n`, { mode, flag: 'wx' }).catch((cause: unknown) => {
    throw new KeyNotWritten(`${path} cannot be written: ${messageOf(cause)}; a key is never overwritten`, { cause })
  })
  await write(file, seed, 0o600)
  await write(`${file}.pub`, publicKey, 0o644)
  return `${publicKey}
sign with it:   FAULTLINE_VERDICTS_SIGNING_SEED_FILE=${file}
trust it:       faultline verify RESULTS-FOLDER --public-key ${file}.pub
in a cluster:   a pair for commands or vouchers is made in the same way; docs/access.md says how one takes the place of another
`
}
