import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { environmentName, readConfig, readSettings, SettingInvalid } from '#shared/config.ts'
import { listenAddress } from '#shared/main.ts'
import { configuredNats, loginOptions } from '#shared/nats-login.ts'
import { serveHealth } from '#shared/service.ts'
import { temporaryFolder } from '../parts/child.ts'

function inFolder(use: (folder: string) => void): void {
  using folder = temporaryFolder('config')
  use(folder.path)
}

test('the environment wins over the file, and the file over the default, and each says where it came from', () => inFolder(folder => {
  const file = join(folder, 'f.yaml')
  writeFileSync(file, 'nats: {url: file:1}\nlog.level: debug\n')
  const inForce = new Map(readSettings({ FAULTLINE_CONFIG: file, FAULTLINE_NATS_URL: 'environment:1' }).map(setting => [setting.name, setting]))
  assert.deepEqual([inForce.get('nats.url')?.value, inForce.get('nats.url')?.from], ['environment:1', 'environment'])
  assert.deepEqual([inForce.get('log.level')?.value, inForce.get('log.level')?.from], ['debug', 'file'])
  assert.deepEqual([inForce.get('http.port')?.value, inForce.get('http.port')?.from], ['0', 'default'])
}))

test('a secret is read from the file that its _FILE variable names, without the line end', () => inFolder(folder => {
  writeFileSync(join(folder, 'token'), 's3cret\n')
  assert.equal(readConfig({ FAULTLINE_API_TOKEN_FILE: join(folder, 'token') }).need('api.token'), 's3cret')
  assert.throws(() => readConfig({ FAULTLINE_API_TOKEN_FILE: join(folder, 'none') }), SettingInvalid)
  const both = { FAULTLINE_API_TOKEN_FILE: join(folder, 'token'), FAULTLINE_METRICS_TOKEN_FILE: join(folder, 'token'), FAULTLINE_METRICS_TOKEN: 'm' }
  assert.deepEqual((['api.token', 'metrics.token', 'release.token'] as const).map(name => readConfig(both).fileOf(name)), [join(folder, 'token'), undefined, undefined])
}))

test('an unknown setting, an unreadable file and a needed one that is not set are refused with what to do', () => inFolder(folder => {
  const file = join(folder, 'f.yaml')
  writeFileSync(file, 'nats: {ulr: x}\n')
  assert.throws(() => readConfig({ FAULTLINE_CONFIG: file }), /nats\.ulr; faultline config/)
  assert.throws(() => readConfig({ FAULTLINE_CONFIG: join(folder, 'none.yaml') }), SettingInvalid)
  assert.throws(() => readConfig({}).need('prometheus.url'), /FAULTLINE_PROMETHEUS_URL/)
  assert.equal(readConfig({}).get('prometheus.url'), undefined)
}))

test('an environment variable is the setting\'s name in capitals, words parted', () => {
  assert.equal(environmentName('prometheus.caFile'), 'FAULTLINE_PROMETHEUS_CA_FILE')
  assert.equal(environmentName('nats.url'), 'FAULTLINE_NATS_URL')
})

test('a service listens beyond loopback only with a token for its metrics', () => {
  assert.deepEqual(listenAddress(readConfig({ FAULTLINE_HTTP_PORT: '1' })), { host: '127.0.0.1', port: 1 })
  assert.throws(() => listenAddress(readConfig({ FAULTLINE_HTTP_HOST: '0.0.0.0' })), /FAULTLINE_METRICS_TOKEN/)
  assert.equal(listenAddress(readConfig({ FAULTLINE_HTTP_HOST: '0.0.0.0', FAULTLINE_METRICS_TOKEN: 't' })).host, '0.0.0.0')
})

test('a service without an interface of its own shows its health to all, and its metrics to whoever bears the token', async () => {
  const server = await serveHealth({ host: '127.0.0.1', port: 0, ready: () => true, metrics: new Registry(), metricsToken: 'm' })
  const status = async (path: string, authorization = '') => (await fetch(`${server.url}${path}`, { headers: { authorization } })).status
  assert.deepEqual([await status('/healthz'), await status('/readyz'), await status('/metrics'), await status('/metrics', 'Bearer x'), await status('/metrics', 'Bearer m')], [200, 200, 401, 401, 200])
  await server.stop()
})

test('a user of NATS needs a password, and is not combined with a token', () => {
  assert.deepEqual(configuredNats(readConfig({ FAULTLINE_NATS_URL: 'n:1', FAULTLINE_NATS_USER: 'u', FAULTLINE_NATS_PASSWORD: 'p' })), { servers: 'n:1', user: 'u', password: 'p' })
  assert.throws(() => configuredNats(readConfig({ FAULTLINE_NATS_USER: 'u' })), /FAULTLINE_NATS_PASSWORD/)
  assert.throws(() => configuredNats(readConfig({ FAULTLINE_NATS_USER: 'u', FAULTLINE_NATS_TOKEN: 't' })), SettingInvalid)
})

test('TLS to NATS is demanded as soon as one of its files is named; a file that is not there, and half a pair, are refused', () => inFolder(folder => {
  const file = (name: string) => { writeFileSync(join(folder, name), 'PEM'); return join(folder, name) }
  const [ca, certificate, key] = [file('ca.crt'), file('tls.crt'), file('tls.key')]
  const login = configuredNats(readConfig({ FAULTLINE_NATS_URL: 'n:1', FAULTLINE_NATS_TLS_CA_FILE: ca }))
  assert.deepEqual(login, { servers: 'n:1', tls: { caFile: ca } })
  assert.deepEqual(loginOptions(login).tls, { caFile: ca })
  assert.deepEqual(configuredNats(readConfig({ FAULTLINE_NATS_TLS_CERT_FILE: certificate, FAULTLINE_NATS_TLS_KEY_FILE: key })).tls, { certFile: certificate, keyFile: key })
  assert.equal(configuredNats(readConfig({})).tls, undefined)
  assert.throws(() => configuredNats(readConfig({ FAULTLINE_NATS_TLS_CA_FILE: join(folder, 'none') })), /nats\.tls\.caFile \(FAULTLINE_NATS_TLS_CA_FILE\) names .*none/)
  assert.throws(() => configuredNats(readConfig({ FAULTLINE_NATS_TLS_CERT_FILE: certificate })), /belong together/)
}))
