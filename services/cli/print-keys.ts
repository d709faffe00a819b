import { z } from 'zod'

/** A line for each key of a kind in a catalogue, with its description, which may stand within an optional one. Pure. */
export function printKeys(parameters: z.ZodObject): string[] {
  const { properties = {} } = z.toJSONSchema(parameters, { io: 'input' })
  return Object.entries(properties).map(([key, schema]) => `    ${key.padEnd(14)} ${typeof schema === 'object' ? schema.description ?? '' : ''}`)
}
