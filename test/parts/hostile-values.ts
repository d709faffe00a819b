import fc from 'fast-check'
import { z } from 'zod'

/** What nobody should send: as data for property tests. */

/** Keys and texts that have broken parsers, terminals, subjects and file names. */
export const hostileTexts = [
  '', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '\ud800', 'a\udfffb', '\u0000', '\u001b[2J', '\r\n\r\nGET / HTTP/1.1', '../../etc/passwd', 'a/b', '.', '..', '*', '>', 'a.b',
  '<script>alert(1)</script>', '${jndi:ldap://x}', '; rm -rf /', '$(id)', '`id`', '\u202etxt', '\u2028', 'NaN', 'Infinity', '+Inf', '1e999', 'x'.repeat(5_000),
]
const hostileNumbers = [0, -0, -1, 1, 0.5, 1e308, -1e308, 5e-324, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 53, 8.64e15, 8.64e15 + 1, 4_294_967_296]

const hostileLeaf: fc.Arbitrary<unknown> = fc.oneof(fc.constantFrom<unknown>(null, true, false, ...hostileNumbers, ...hostileTexts), fc.string({ unit: 'binary', maxLength: 20 }), fc.double({ noNaN: true, noDefaultInfinity: true }))

/** Any JSON; `__proto__` is a key of its own in it, as JSON.parse makes it. */
export const hostileJson: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' }, hostileLeaf, fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(fc.oneof(fc.constantFrom(...hostileTexts), fc.string({ maxLength: 8 })), tie('value')), { maxLength: 4 }).map(objectOf),
  ),
})).value

/** `[[[...]]]`, as deep as that. */
export const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

/** JSON with one thing in it replaced, left out or added. */
export function spoilt(whole: unknown): fc.Arbitrary<unknown> {
  const places = placesIn(whole)
  const how = fc.oneof(hostileJson.map(value => ({ is: 'replace' as const, value })), fc.constant({ is: 'remove' as const }), fc.tuple(fc.constantFrom(...hostileTexts), hostileJson).map(([key, value]) => ({ is: 'add' as const, key, value })))
  return fc.tuple(fc.nat(places.length - 1), how).map(([index, change]) => changed(whole, places[index] ?? [], change))
}

type Change = { is: 'replace'; value: unknown } | { is: 'remove' } | { is: 'add'; key: string; value: unknown }

function placesIn(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [[]]
  return [[], ...Object.entries(value).flatMap(([key, inner]) => placesIn(inner).map(rest => [key, ...rest]))]
}

function changed(value: unknown, [key, ...rest]: readonly string[], change: Change): unknown {
  const isObject = typeof value === 'object' && value !== null
  if (key === undefined || !isObject) {
    if (change.is === 'replace') return change.value
    if (change.is === 'remove') return undefined
    return !isObject ? change.value : Array.isArray(value) ? [...value as unknown[], change.value] : objectOf([...Object.entries(value), [change.key, change.value]])
  }
  const entries = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    if (name !== key) return [[name, inner]]
    const next = changed(inner, rest, change)
    return next === undefined ? [] : [[name, next]]
  })
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : objectOf(entries)
}

function objectOf(entries: readonly (readonly [string, unknown])[]): object {
  const made = {}
  for (const [key, value] of entries) Object.defineProperty(made, key, { value, enumerable: true, configurable: true, writable: true })
  return made
}

/** Values that a schema accepts. `known`: in place of what the schema says of a key, so that facts are about the same things. */
export function acceptedBy(schema: z.ZodType, known: Readonly<Record<string, fc.Arbitrary<unknown>>> = {}): fc.Arbitrary<unknown> {
  return valuesOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema, known).filter(value => schema.safeParse(value).success)
}

interface JsonSchema {
  type?: string; const?: unknown; enum?: unknown[]; anyOf?: JsonSchema[]; oneOf?: JsonSchema[]; pattern?: string; format?: string; minLength?: number; maxLength?: number
  properties?: Record<string, JsonSchema>; required?: string[]; additionalProperties?: JsonSchema | boolean; propertyNames?: JsonSchema
  items?: JsonSchema; prefixItems?: JsonSchema[]; minItems?: number; minimum?: number; maximum?: number; exclusiveMinimum?: number
}

function valuesOf(schema: JsonSchema, known: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<unknown> {
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return fc.oneof(...choices.map(choice => valuesOf(choice, known)))
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  switch (schema.type) {
    case 'string': return schema.pattern === undefined ? fc.oneof(fc.constantFrom(...hostileTexts), fc.string({ maxLength: 12 })) : fc.stringMatching(new RegExp(schema.pattern))
    case 'integer': case 'number': return numbersOf(schema)
    case 'boolean': return fc.boolean()
    case 'null': return fc.constant(null)
    case 'array':
      if (schema.prefixItems) return fc.tuple(...schema.prefixItems.map(item => valuesOf(item, known)))
      return fc.array(valuesOf(schema.items ?? {}, known), { minLength: schema.minItems ?? 0, maxLength: Math.max(4, schema.minItems ?? 0) })
    case 'object': {
      const { properties = {}, required = [], additionalProperties, propertyNames } = schema
      if (Object.keys(properties).length > 0) return fc.record(Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, known[key] ?? valuesOf(inner, known)])), { requiredKeys: required })
      const keys = propertyNames ? valuesOf({ type: 'string', ...propertyNames }, known) as fc.Arbitrary<string> : fc.constantFrom(...hostileTexts)
      return fc.dictionary(keys, typeof additionalProperties === 'object' ? valuesOf(additionalProperties, known) : hostileJson, { maxKeys: 3 })
    }
    default: return hostileJson
  }
}

function numbersOf({ type, minimum, exclusiveMinimum, maximum }: JsonSchema): fc.Arbitrary<number> {
  const least = minimum ?? (exclusiveMinimum === undefined ? -1e308 : exclusiveMinimum + 1)
  const most = Math.min(maximum ?? 1e308, type === 'integer' ? Number.MAX_SAFE_INTEGER : 1e308)
  const edges = fc.constantFrom(...[least, most, 0, 1, 1_000].filter(edge => edge >= least && edge <= most))
  return type === 'integer' ? fc.oneof(edges, fc.integer({ min: Math.max(least, Number.MIN_SAFE_INTEGER), max: most })) : fc.oneof(edges, fc.double({ min: least, max: most, noNaN: true }))
}
