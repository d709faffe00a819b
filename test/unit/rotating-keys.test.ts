import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { environmentName, readConfig, SettingInvalid, type Config, type SettingName } from '#shared/config.ts'
import { parsePublicKeys } from '#shared/public-keys.ts'
import { configuredRedactor, redacted } from '#shared/redaction.ts'
import { rotatingSigner, rotatingVerifier, type Rotation } from '#shared/rotating-keys.ts'
import { isPublicKey, isSignedBy, newSigningKey, signerOf } from '#shared/signing-key.ts'
import { verdictKeys, verdictKeysNow } from '#shared/verdict-keys.ts'
import { trustedKeys } from '../../services/cli/verify/trusted-keys.ts'
import { checkVoucher, voucherIssuer } from '../../services/injector/voucher.ts'
import { temporaryFolder } from '../parts/child.ts'
import { mountSecret, type MountedSecret } from '../parts/mounted-secret.ts'

const [old, next, third] = [newSigningKey(), newSigningKey(), newSigningKey()]

interface Stage {
  secret: MountedSecret
  /** Settings whose values are in files of the Secret, by their names there. */
  config(files: Partial<Record<SettingName, string>>): Config
  rotation: Rotation
  nextSecond(): void
  errors: string[]
}

/** A mounted Secret that is looked at by a clock of the test's own. */
function mounted(values: Record<string, string>, use: (stage: Stage) => void): void {
  using folder = temporaryFolder('rotating-keys')
  const secret = mountSecret(folder.path, values)
  const errors: string[] = []
  let nowMs = 0
  use({
    secret, errors,
    config: files => readConfig({ FAULTLINE_CONFIG: '/dev/null', ...Object.fromEntries(Object.entries(files).map(([name, file]) => [`${environmentName(name as SettingName)}_FILE`, secret.path(file)])) }),
    rotation: { nowMs: () => nowMs, log: { info: () => undefined, error: (fields: unknown) => void errors.push(JSON.stringify(fields)) } },
    nextSecond: () => { nowMs += 1_000 },
  })
}

/** Whose signature is good, of the three. */
const good = (verify: ReturnType<typeof rotatingVerifier>) => [old, next, third].map(({ seed }) => verify('text', Buffer.from(signerOf(seed).sign('text'), 'base64')))

test('public keys stand one a line or between commas, with comments and line ends of any kind; each counts once', () => {
  const text = `# commands\r\n${old.publicKey} # until the next is everywhere\r\n\n ${next.publicKey},${third.publicKey} ,\n${old.publicKey}\n`
  assert.deepEqual(parsePublicKeys(text), { content: [old.publicKey, next.publicKey, third.publicKey] })
  assert.deepEqual([parsePublicKeys(old.publicKey), parsePublicKeys(''), parsePublicKeys('# none\n')], [{ content: [old.publicKey] }, { content: [] }, { content: [] }])
})

test('what is no public key has the whole text refused, with its line, and is not told where it may be a seed', () => {
  const problemsOf = (text: string) => {
    const read = parsePublicKeys(text)
    return 'problems' in read ? read.problems : []
  }
  assert.match(problemsOf(`${old.publicKey}\nUNKEY`).join(), /^line 2 holds "UNKEY", which is no nkeys public key/)
  assert.match(problemsOf(`${old.publicKey}, ${next.seed}`).join(), /^line 1 holds something, which is no nkeys public key/)
  assert.equal(problemsOf('x\n'.repeat(1_000)).length, 5)
  assert.match(problemsOf(Array.from({ length: 17 }, () => newSigningKey().publicKey).join('\n')).join(), /^it holds 17 public keys; at most 16$/)
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), text => {
    const read = parsePublicKeys(text)
    assert.ok('problems' in read ? read.problems.length > 0 : read.content.every(isPublicKey))
  }))
})

test('each key of a file is good; a second after the file is another, those that it names are, and whichever was taken out is not', () => mounted({ keys: old.publicKey }, ({ secret, config, rotation, nextSecond, errors }) => {
  const verify = rotatingVerifier(config({ 'commands.publicKey': 'keys' }), 'commands.publicKey', rotation)
  assert.deepEqual(good(verify), [true, false, false])
  secret.set({ keys: `${old.publicKey}\n${next.publicKey}\n` })
  assert.deepEqual(good(verify), [true, false, false], 'it is not looked at for each message')
  nextSecond()
  assert.deepEqual(good(verify), [true, true, false])
  secret.set({ keys: `${next.publicKey}\n` })
  nextSecond()
  assert.deepEqual(good(verify), [false, true, false])
  assert.deepEqual(errors, [])
}))

test('a file that has come to hold no key, none but wrong ones, or is gone is told once, and its keys go on to count; so it is with a seed, which is not told', () => mounted({ keys: old.publicKey, seed: old.seed }, ({ secret, config, rotation, nextSecond, errors }) => {
  const settings = config({ 'commands.publicKey': 'keys', 'commands.signingSeed': 'seed' })
  const verify = rotatingVerifier(settings, 'commands.publicKey', rotation)
  const signer = rotatingSigner(settings, 'commands.signingSeed', rotation)
  const slip = `${next.seed.slice(0, 20)}${next.seed[20] === 'A' ? 'B' : 'A'}${next.seed.slice(21)}`
  const wrong = [{ keys: '', seed: '' }, { keys: '# none\n', seed: next.publicKey }, { keys: `${next.publicKey}\nUNKEY\n`, seed: slip }, { keys: next.seed, seed: `${next.seed}\n${next.seed}` }]
  for (const [index, values] of wrong.entries()) {
    secret.set(values)
    for (let second = 0; second < 3; second += 1) {
      nextSecond()
      assert.deepEqual([good(verify), signer().publicKey], [[true, false, false], old.publicKey], JSON.stringify(values))
    }
    assert.equal(errors.length, (index + 1) * 2)
  }
  assert.match(errors.join(), /commands\.publicKey holds no public key.*commands\.signingSeed is no nkeys seed/)
  for (const seed of [old.seed, next.seed, slip]) assert.ok(!errors.join().includes(seed))
  for (const name of ['keys', 'seed']) rmSync(secret.path(name))
  nextSecond()
  assert.deepEqual([good(verify), signer().publicKey, errors.length], [[true, false, false], old.publicKey, wrong.length * 2 + 2])
}))

test('a second after the file of a seed is another, its seed signs, and is in no log', () => mounted({ seed: `${old.seed}\n` }, ({ secret, config, rotation, nextSecond }) => {
  const signer = rotatingSigner(config({ 'verdicts.signingSeed': 'seed' }), 'verdicts.signingSeed', rotation)
  const before = signer()
  assert.equal(before, signer(), 'made once')
  secret.set({ seed: `${next.seed}\n` })
  assert.equal(signer().publicKey, old.publicKey)
  nextSecond()
  const redact = configuredRedactor({ FAULTLINE_CONFIG: '/dev/null' })
  assert.ok(isSignedBy(next.publicKey, 'text', signer().sign('text')))
  assert.equal(redact(`a line with ${next.seed}`), `a line with ${redacted}`)
}))

test('vouchers go on through a rotation: the old and the next signer\'s hold while both keys are named, and then the next one\'s alone', () => mounted({ seed: old.seed, keys: old.publicKey }, ({ secret, config, rotation, nextSecond }) => {
  const pod = { id: 'pod:u1', pod: { namespace: 'shop', name: 'web', uid: 'u1', node: 'n1' }, description: 'shop/web on n1' }
  const settings = config({ 'vouchers.signingSeed': 'seed', 'vouchers.publicKey': 'keys' })
  const [issuer, verify] = [voucherIssuer(rotatingSigner(settings, 'vouchers.signingSeed', rotation)), rotatingVerifier(settings, 'vouchers.publicKey', rotation)]
  const check = (voucher: string) => checkVoucher(voucher, pod, verify, 0)
  const olds = issuer.issue(pod, 1_000)
  check(olds)
  secret.set({ keys: `${old.publicKey}\n${next.publicKey}\n` })
  nextSecond()
  secret.set({ seed: next.seed })
  nextSecond()
  const nexts = issuer.issue(pod, 1_000)
  check(olds)
  check(nexts)
  secret.set({ keys: next.publicKey })
  nextSecond()
  check(nexts)
  assert.throws(() => check(olds), /signed by somebody else/)
}))

test('a key that comes from no file is what it was at the start, and one that is wrong at the start is refused by the name of its setting, and not told', () => mounted({ keys: `${old.publicKey}\nUNKEY`, empty: '', seed: old.publicKey }, ({ config, rotation }) => {
  const set = (values: Record<string, string>) => readConfig({ FAULTLINE_CONFIG: '/dev/null', ...values })
  const given = set({ FAULTLINE_COMMANDS_PUBLIC_KEY: `${old.publicKey}, ${next.publicKey}`, FAULTLINE_COMMANDS_SIGNING_SEED: old.seed, FAULTLINE_VERDICTS_SIGNING_SEED: `${old.seed}x` })
  assert.deepEqual(good(rotatingVerifier(given, 'commands.publicKey', rotation)), [true, true, false])
  assert.equal(rotatingSigner(given, 'commands.signingSeed', rotation)().publicKey, old.publicKey)
  const refused = (says: RegExp) => (error: unknown) => error instanceof SettingInvalid && says.test(error.message) && !error.message.includes(old.seed)
  assert.throws(() => rotatingSigner(given, 'verdicts.signingSeed', rotation), refused(/^verdicts\.signingSeed is no nkeys seed; faultline signing-key FILE makes one$/))
  assert.throws(() => rotatingSigner(given, 'vouchers.signingSeed', rotation), refused(/^vouchers\.signingSeed is not set; set FAULTLINE_VOUCHERS_SIGNING_SEED/))
  const inFiles = config({ 'commands.publicKey': 'keys', 'vouchers.publicKey': 'empty', 'commands.signingSeed': 'seed' })
  assert.throws(() => rotatingVerifier(inFiles, 'commands.publicKey', rotation), refused(/keys: commands\.publicKey: line 2 holds "UNKEY"/))
  assert.throws(() => rotatingVerifier(inFiles, 'vouchers.publicKey', rotation), refused(/empty: vouchers\.publicKey holds no public key/))
  assert.throws(() => rotatingSigner(inFiles, 'commands.signingSeed', rotation), refused(/seed: commands\.signingSeed is no nkeys seed/))
}))

test('keys of verdicts are those of the file as it is now; without a setting none are demanded, and a file without a key is refused, since it would demand none', () => mounted({ keys: old.publicKey, empty: '# none\n' }, ({ secret, config, rotation, nextSecond }) => {
  const settings = config({ 'verdicts.publicKey': 'keys' })
  const now = verdictKeysNow(settings, rotation)
  assert.deepEqual([now(), verdictKeys(settings)], [[old.publicKey], [old.publicKey]])
  secret.set({ keys: `${old.publicKey}\n${next.publicKey}` })
  nextSecond()
  assert.deepEqual(now(), [old.publicKey, next.publicKey])
  secret.set({ keys: '' })
  nextSecond()
  assert.deepEqual(now(), [old.publicKey, next.publicKey])
  assert.deepEqual(verdictKeysNow(readConfig({ FAULTLINE_CONFIG: '/dev/null' }), rotation)(), [])
  const none = config({ 'verdicts.publicKey': 'empty' })
  for (const read of [() => verdictKeys(none), () => verdictKeysNow(none, rotation)]) assert.throws(read, (error: unknown) => error instanceof SettingInvalid && /holds no public key/.test(error.message))
}))

test('of whoever verifies, a key may be named by itself or by a file that holds several', async () => {
  using folder = temporaryFolder('trusted-keys')
  const file = (name: string, text: string) => { writeFileSync(join(folder.path, name), text); return join(folder.path, name) }
  const both = file('both.pub', `${old.publicKey}\n${next.publicKey}\n`)
  assert.deepEqual(await trustedKeys([both, third.publicKey]), [old.publicKey, next.publicKey, third.publicKey])
  await assert.rejects(trustedKeys([file('none.pub', '\n')]), /none\.pub holds no public key/)
  await assert.rejects(trustedKeys([file('wrong.pub', `${old.publicKey}\nUNKEY\n`)]), /wrong\.pub: line 2 holds "UNKEY"/)
})
