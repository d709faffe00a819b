import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'

type JsonSchema = z.core.JSONSchema.JSONSchema
/** A schema as Kubernetes takes it, OpenAPI 3.0 within the limits of "structural schemas" (apiextensions.k8s.io/v1, JSONSchemaProps). */
export type StructuralSchema = { [key: string]: unknown }

const bounds = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minimum', 'maximum', 'multipleOf', 'minProperties', 'maxProperties'] as const
/** Of the formats that the API server checks, those that mean to it what they mean here. */
const formats: ReadonlySet<unknown> = new Set(['uri', 'date-time', 'ipv4', 'ipv6'])

/**
 * JSON Schema (2020-12, as zod writes it) as a structural schema. Pure. It says no less than Kubernetes can hold, and the scheduler checks the rest:
 *
 * - A key that is not in the schema is no error here but pruned; kubectl tells of it (`--validate=strict`, its default).
 * - Alternatives may not differ in type, and each of their keys must stand outside of them: they are laid over each other, and what tells
 *   them apart comes beside it (`anyOf`), and only judges values.
 * - A key that takes a number or a text has no type of its own; limits of numbers judge only numbers, patterns only texts.
 * - Defaults are left out: the document stays as it was written.
 */
export function structuralSchema(schema: JsonSchema): StructuralSchema {
  const alternatives = alternativesOf(schema)
  if (alternatives) return { ...described(schema), ...overlay(alternatives) }
  const { type, properties, additionalProperties, items } = schema
  return {
    ...described(schema),
    ...(typeof type === 'string' && type !== 'null' ? { type } : typeOfConstant(schema) ?? { 'x-kubernetes-preserve-unknown-fields': true }),
    ...judged(schema),
    ...(properties && { properties: mapValues(properties, inner => structuralSchema(demand(inner))) }),
    ...(!properties && isSchema(additionalProperties) && { additionalProperties: structuralSchema(additionalProperties) }),
    ...(items && !Array.isArray(items) && { items: structuralSchema(demand(items)) }),
    ...(schema.required && { required: schema.required }),
    ...(schema.oneOf && { oneOf: schema.oneOf.map(inner => judgement(demand(inner))) }), // beside properties of its own: it only judges
  }
}

/** The alternatives that a schema consists of; undefined for one that has keys of its own. */
function alternativesOf(schema: JsonSchema): JsonSchema[] | undefined {
  if (schema.properties) return undefined
  return (schema.anyOf ?? schema.oneOf)?.map(demand)
}

/** Schemas of one place, any of which may hold there, as one. */
function overlay(alternatives: readonly JsonSchema[]): StructuralSchema {
  const flat = alternatives.flatMap(schema => alternativesOf(schema) ?? [schema])
  const [first] = flat
  if (first && areAlike(flat)) return structuralSchema(first)
  if (flat.every(({ properties }) => properties)) return overlayObjects(flat)
  const types = new Set(flat.map(typeName))
  const values = valuesOf(flat)
  if (types.size === 1 && types.has('string') && values) return { type: 'string', enum: [...new Set(values)] }
  if (types.size === 1 && (types.has('number') || types.has('integer') || types.has('boolean'))) return { type: [...types][0] }
  if ([...types].every(type => type === 'integer' || type === 'number' || type === 'string')) {
    const words = flat.filter(schema => typeName(schema) === 'string')
    const numbers = flat.filter(schema => typeName(schema) !== 'string')
    return {
      ...(types.has('number') ? { 'x-kubernetes-preserve-unknown-fields': true } : { 'x-kubernetes-int-or-string': true }),
      ...(words.length > 0 && { pattern: words.map(patternOf).join('|') }),
      ...(numbers.length === 1 && numbers[0] && judged(numbers[0])),
    }
  }
  return { 'x-kubernetes-preserve-unknown-fields': true }
}

/** Every key that any of them has, and for all of them together what tells one from another. */
function overlayObjects(alternatives: readonly JsonSchema[]): StructuralSchema {
  return { ...keysOf(alternatives), anyOf: alternatives.map(alternative => judgementAmong(alternative, alternatives)) }
}

function keysOf(alternatives: readonly JsonSchema[]): StructuralSchema {
  const required = namesOf(alternatives).filter(name => alternatives.every(schema => schema.required?.includes(name)))
  return {
    type: 'object',
    properties: Object.fromEntries(namesOf(alternatives).map(name => {
      const schemas = schemasOf(alternatives, name)
      const descriptions = [...new Set(schemas.flatMap(({ description }) => description ?? []))]
      const inner = areAlike(schemas) ? overlay(schemas) : schemas.every(({ properties }) => properties) ? keysOf(schemas) : overlay(schemas)
      return [name, { ...inner, ...(descriptions.length > 0 && { description: descriptions.join('\n') }) }]
    })),
    ...(required.length > 0 && { required }),
  }
}

/** What one of them says of values that not all of them say, down to their innermost keys: which must be there, which may not, and how they are limited. */
function judgementAmong(schema: JsonSchema, alternatives: readonly JsonSchema[]): StructuralSchema {
  const own = schema.properties
  if (!own) return judgement(schema)
  const names = namesOf(alternatives)
  const foreign = names.filter(name => !(name in own))
  const told = names.filter(name => name in own && !(schemasOf(alternatives, name).length === alternatives.length && areAlike(schemasOf(alternatives, name))))
    .map(name => [name, judgementAmong(demand(own[name]), schemasOf(alternatives, name))] as const).filter(([, inner]) => Object.keys(inner).length > 0)
  return {
    ...(schema.required && schema.required.length > 0 && { required: schema.required }),
    ...(told.length > 0 && { properties: Object.fromEntries(told) }),
    ...(foreign.length > 0 && { not: { anyOf: foreign.map(name => ({ required: [name] })) } }),
  }
}

const namesOf = (alternatives: readonly JsonSchema[]): string[] => [...new Set(alternatives.flatMap(({ properties = {} }) => Object.keys(properties)))]
const schemasOf = (alternatives: readonly JsonSchema[], name: string): JsonSchema[] => alternatives.flatMap(({ properties }) => properties?.[name] === undefined ? [] : [demand(properties[name])])
const areAlike = (schemas: readonly JsonSchema[]): boolean => schemas.every(schema => isDeepStrictEqual(schema, schemas[0]))

/** What a schema says of values, without saying what may be there: all that may stand inside of oneOf, anyOf and not. */
function judgement(schema: JsonSchema): StructuralSchema {
  return { ...(alternativesOf(schema) ? {} : judged(schema)), ...(schema.required && schema.required.length > 0 && { required: schema.required }) }
}

/** The limits on a value itself. */
function judged(schema: JsonSchema): StructuralSchema {
  const { const: constant, enum: values, format, pattern, exclusiveMinimum, exclusiveMaximum } = schema
  return {
    ...Object.fromEntries(bounds.flatMap(name => schema[name] === undefined ? [] : [[name, schema[name]]])),
    ...(typeof exclusiveMinimum === 'number' && { minimum: exclusiveMinimum, exclusiveMinimum: true }),
    ...(typeof exclusiveMaximum === 'number' && { maximum: exclusiveMaximum, exclusiveMaximum: true }),
    ...(constant !== undefined ? { enum: [constant] } : values && { enum: values }),
    ...(formats.has(format) && { format }),
    ...(pattern !== undefined && isRe2(pattern) && { pattern: asRe2(pattern) }),
  }
}

const described = ({ description }: JsonSchema): StructuralSchema => description === undefined ? {} : { description }

function typeOfConstant({ const: constant, enum: values }: JsonSchema): StructuralSchema | undefined {
  const type = typeof (constant ?? values?.[0])
  return type === 'string' || type === 'boolean' || type === 'number' ? { type } : undefined
}

const typeName = (schema: JsonSchema): unknown => schema.type ?? typeOfConstant(schema)?.['type']
const isWord = (value: unknown): value is string => typeof value === 'string'

/** The only values that any of them takes; undefined when one of them takes others too. */
function valuesOf(schemas: readonly JsonSchema[]): string[] | undefined {
  const values = schemas.map(({ const: constant, enum: listed }) => constant === undefined ? listed : [constant])
  return values.some(listed => listed === undefined) ? undefined : values.flatMap(listed => listed ?? []).filter(isWord)
}

function patternOf(schema: JsonSchema): string {
  const values = valuesOf([schema])
  return values ? `^(?:${values.map(value => value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})$` : schema.pattern === undefined || !isRe2(schema.pattern) ? '.*' : asRe2(schema.pattern)
}

/** Go's regular expressions look neither ahead nor behind; a pattern that does is left to the scheduler. Nor have they a class of all characters. */
const isRe2 = (pattern: string): boolean => !/\(\?<?[=!]/.test(pattern)
const asRe2 = (pattern: string): string => pattern.replaceAll('[^]', '[\\s\\S]')

const mapValues = <T, R>(record: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> => Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
const isSchema = (schema: unknown): schema is JsonSchema => typeof schema === 'object' && schema !== null && !Array.isArray(schema)
/** `true` says nothing of a value, as an empty schema does. */
const demand = (schema: unknown): JsonSchema => isSchema(schema) ? schema : {}
