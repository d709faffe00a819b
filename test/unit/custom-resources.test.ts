import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { experimentJsonSchema } from '#shared/experiment-schema.ts'
import { gateKinds } from '#shared/gate-kinds.ts'
import { faultKinds } from '#shared/registry.ts'
import { structuralSchema } from '../../services/cli/structural-schema.ts'

const structural = (schema: z.ZodType) => structuralSchema(z.toJSONSchema(schema, { io: 'input' }))

test('a plain object keeps its keys and their limits, and says nothing of unknown keys or defaults', () => {
  const schema = z.strictObject({ name: z.string().max(5).describe('a name'), count: z.int().min(1).max(3).default(2), when: z.iso.datetime().optional(), share: z.number().gt(0).lt(1) })
  assert.deepEqual(structural(schema), {
    type: 'object', required: ['name', 'share'],
    properties: {
      name: { description: 'a name', type: 'string', maxLength: 5 },
      count: { type: 'integer', minimum: 1, maximum: 3 },
      when: { type: 'string', format: 'date-time', pattern: (z.toJSONSchema(schema).properties as { when: { pattern: string } }).when.pattern },
      share: { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 1, exclusiveMaximum: true },
    },
  })
})

test('a map keeps what its values are; a regular expression that only JavaScript knows is written otherwise, or left out', () => {
  assert.deepEqual(structural(z.string().regex(/^(?!a)b/)), { type: 'string' })
  assert.deepEqual(structural(z.record(z.string(), z.string().regex(/^a[^]*$/))), { type: 'object', additionalProperties: { type: 'string', pattern: '^a[\\s\\S]*$' } })
})

test('one of several words becomes a list of words; a number or a word has no type of its own', () => {
  assert.deepEqual(structural(z.union([z.literal('one'), z.enum(['all', 'some'])])), { type: 'string', enum: ['one', 'all', 'some'] })
  assert.deepEqual(structural(z.union([z.literal('a.b'), z.int().min(1).max(9)])), { 'x-kubernetes-int-or-string': true, pattern: '^(?:a\\.b)$', minimum: 1, maximum: 9 })
  assert.deepEqual(structural(z.union([z.number().min(0).max(1), z.string().regex(/^\d+%$/)])), { 'x-kubernetes-preserve-unknown-fields': true, pattern: '^\\d+%$', minimum: 0, maximum: 1 })
  assert.deepEqual(structural(z.union([z.int().max(1), z.int().min(9)])), { type: 'integer' })
  assert.deepEqual(structural(z.union([z.string(), z.array(z.string())])), { 'x-kubernetes-preserve-unknown-fields': true })
  assert.deepEqual(structural(z.union([z.string(), z.int().min(0).max(3)])), { 'x-kubernetes-int-or-string': true, pattern: '.*', minimum: 0, maximum: 3 })
  assert.deepEqual(structural(z.unknown()), { 'x-kubernetes-preserve-unknown-fields': true })
})

test('objects that differ are laid over each other, and what tells them apart judges values alone', () => {
  const shared = { at: z.string() }
  const kinds = z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('kill').describe('kills'), ...shared, on: z.strictObject({ pod: z.string() }) }),
    z.strictObject({ kind: z.literal('burn').describe('burns'), ...shared, on: z.strictObject({ node: z.string() }), for: z.string() }),
  ])
  assert.deepEqual(structural(kinds), {
    type: 'object', required: ['kind', 'at', 'on'],
    properties: {
      kind: { type: 'string', enum: ['kill', 'burn'], description: 'kills\nburns' },
      at: { type: 'string' },
      on: { type: 'object', properties: { pod: { type: 'string' }, node: { type: 'string' } } },
      for: { type: 'string' },
    },
    anyOf: [
      {
        required: ['kind', 'at', 'on'], not: { anyOf: [{ required: ['for'] }] },
        properties: { kind: { enum: ['kill'] }, on: { required: ['pod'], not: { anyOf: [{ required: ['node'] }] } } },
      },
      {
        required: ['kind', 'at', 'on', 'for'],
        properties: { kind: { enum: ['burn'] }, on: { required: ['node'], not: { anyOf: [{ required: ['pod'] }] } } },
      },
    ],
  })
})

/** What makes a schema structural (Kubernetes' documentation, "Specifying a structural schema"). */
function breachesOf(schema: unknown, isInside: boolean, path = ''): string[] {
  if (typeof schema !== 'object' || schema === null) return [`${path} is no schema`]
  const map = new Map(Object.entries(schema))
  const forbidden = isInside ? ['type', 'description', 'default', 'additionalProperties', 'x-kubernetes-preserve-unknown-fields'] : ['default', 'const', '$ref', 'propertyNames', 'prefixItems']
  const inner = (name: string, inside: boolean) => Object.entries(Object(map.get(name) ?? {})).flatMap(([key, value]) => breachesOf(value, inside, `${path}.${name}.${key}`))
  return [
    ...forbidden.filter(name => map.has(name)).map(name => `${path} has ${name}`),
    ...(isInside || map.has('type') || map.has('x-kubernetes-preserve-unknown-fields') || map.has('x-kubernetes-int-or-string') ? [] : [`${path} has no type`]),
    ...inner('properties', isInside),
    ...(map.has('items') ? breachesOf(map.get('items'), isInside, `${path}[]`) : []),
    ...(map.has('not') ? breachesOf(map.get('not'), true, `${path}.not`) : []),
    ...['anyOf', 'oneOf'].flatMap(name => inner(name, true)),
  ]
}

test('the experiment\'s schema is structural, and names every kind of fault and of gate', () => {
  const schema = structuralSchema(experimentJsonSchema)
  assert.deepEqual(breachesOf(schema, false), [])
  const written = JSON.stringify(schema)
  for (const kind of [...faultKinds.keys(), ...gateKinds.keys()]) assert.ok(written.includes(`"${kind}"`), kind)
})
