import { z } from 'zod'
import type { Path } from '#shared/experiment-yaml.ts'
import { experimentSchema } from '#shared/experiment.ts'

export type JsonSchema = z.core.JSONSchema.JSONSchema

/** The experiment file as JSON Schema (2020-12), for editors: what one writes, not what parsing gives. */
export const experimentJsonSchema: JsonSchema = {
  $id: 'https://faultline.dev/schemas/experiment-v1alpha1.json',
  title: 'faultline experiment',
  ...z.toJSONSchema(experimentSchema, { io: 'input' }),
}

/** The part of a schema that a path of this document has to follow; undefined where the document has left the schema. */
export function schemaAt(path: Path, document: unknown, root: JsonSchema = experimentJsonSchema): JsonSchema | undefined {
  let schema = alternativeFor(root, document)
  let value = document
  for (const step of path) {
    value = childOf(value, step)
    const next = typeof step === 'number' ? schema?.items : schema?.properties?.[step]
    schema = alternativeFor(isSchema(next) ? next : undefined, value)
  }
  return schema
}

/** What stands at a path of a plain document, or undefined. */
export function valueAt(path: Path, document: unknown): unknown {
  return path.reduce<unknown>(childOf, document)
}

function childOf(value: unknown, step: string | number): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, step) ? Reflect.get(value, step) : undefined
}

/** Of a fault's kinds the one that is meant; any other schema is itself. */
function alternativeFor(schema: JsonSchema | undefined, value: unknown): JsonSchema | undefined {
  if (!schema?.oneOf || schema.properties) return schema
  const kind = childOf(value, 'kind')
  return schema.oneOf.filter(isSchema).find(({ properties }) => isSchema(properties?.['kind']) && properties['kind'].const === kind)
}

const isSchema = (schema: unknown): schema is JsonSchema => typeof schema === 'object' && schema !== null && !Array.isArray(schema)
