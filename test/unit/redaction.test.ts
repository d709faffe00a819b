import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { environmentName, readSettings, settings, type SettingName } from '#shared/config.ts'
import { createLog } from '#shared/log.ts'
import { configuredRedactor, learnSecret, redacted, redactor, withoutLogin } from '#shared/redaction.ts'
import { printConfig } from '../../services/cli/config.ts'

const secretNames = (Object.keys(settings) as SettingName[]).filter(name => 'secret' in settings[name])
const canaryOf = (name: SettingName) => `canary "${name}"/\\é`
const environment = { FAULTLINE_CONFIG: '/dev/null', ...Object.fromEntries(secretNames.map(name => [environmentName(name), canaryOf(name)])), FAULTLINE_PROMETHEUS_USER: 'me' }

test('a secret setting is in no line of a log: neither in a field, a message, an error, its cause, nor as part of a longer text', () => {
  const lines: string[] = []
  const log = createLog('test', { level: 'trace', destination: { write: line => void lines.push(line) }, redact: configuredRedactor(environment) })
  for (const name of secretNames) {
    const canary = canaryOf(name)
    log.info({ anything: canary, deep: { list: [{ [canary]: canary }] } }, `a message with ${canary} in it`)
    log.error({ err: new Error(`outer ${canary}`, { cause: Object.assign(new Error(canary), { config: { headers: { authorization: `Bearer ${canary}` } } }) }) }, 'failed')
    log.child({ bound: canary }).warn(new URL(`http://x/?q=${encodeURIComponent(canary)}`).href)
    log.debug(Buffer.from(`me:${canaryOf('prometheus.password')}`).toString('base64'))
  }
  assert.equal(lines.length, secretNames.length * 4)
  for (const line of lines) {
    assert.doesNotMatch(line, /canary|Y2FuYXJ5/i)
    assert.ok(line.includes(redacted))
    JSON.parse(line)
  }
})

test('a secret that came later than the start is in no line of a log either', () => {
  const lines: string[] = []
  const log = createLog('test', { destination: { write: line => void lines.push(line) }, redact: configuredRedactor(environment) })
  const [before, later] = [canaryOf('api.token'), 'canary-that-was-rotated-in']
  log.info({ anything: later }, 'not known yet')
  learnSecret('api.token', later)
  log.info({ anything: later, other: before }, `a message with ${later} in it`)
  assert.match(lines[0] ?? '', /canary-that/)
  assert.doesNotMatch(lines[1] ?? '', /canary/)
})

test('faultline config says of each secret only that it is set', () => {
  const before = { ...process.env }
  Object.assign(process.env, environment)
  try {
    for (const json of [true, false]) assert.doesNotMatch(printConfig(json), /canary/)
  } finally {
    for (const name of Object.keys(environment)) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
  }
})

test('what is redacted stays JSON, and what is no secret stays as it is', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 6, maxLength: 20 }), fc.string({ maxLength: 20 }), (secret, other) => {
    fc.pre(!`{"":,"was`.includes(secret) && !redacted.includes(secret) && secret.isWellFormed() && /[^\\",:{}[\]a-z]/.test(secret))
    const redact = redactor([{ name: 'api.token', value: secret, secret: true }, { name: 'nats.url', value: other, secret: false }])
    const line = redact(JSON.stringify({ was: `before ${secret} after` }))
    assert.deepEqual(JSON.parse(line), { was: `before ${redacted} after` })
  }), { numRuns: 500 })
  assert.equal(redactor(readSettings({ FAULTLINE_CONFIG: '/dev/null', FAULTLINE_API_TOKEN: 'abc' }))('abc of the alphabet'), 'abc of the alphabet')
})

test('an address is told without the login in it', () => {
  for (const [address, told] of [
    ['http://user:pass@prometheus:9090/x', 'http://prometheus:9090/x'], ['nats://a:b@n1:4222,nats://a:b@n2:4222', 'nats://n1:4222,nats://n2:4222'], ['token@n1:4222,x@n2', 'n1:4222,n2'],
    ['http://prometheus:9090', 'http://prometheus:9090'], ['fetch failed: http://u:p@h/ and https://v@h', 'fetch failed: http://h/ and https://h'], ['n1:4222', 'n1:4222'],
  ] as const) assert.equal(withoutLogin(address), told)
})
