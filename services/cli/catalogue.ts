import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'

class NoSuchKind extends InvalidInput {
  readonly code: string

  constructor(noun: string, kind: string | undefined, known: readonly string[]) {
    super(`no ${noun} is called ${kind}; there are ${known.join(', ')}`)
    this.name = `NoSuch${noun.charAt(0).toUpperCase()}${noun.slice(1)}`
    this.code = `no_such_${noun}`
  }
}

interface Entry { kind: string; summary: string; documentation: string; parameters: z.ZodObject }

export interface Catalogue<E extends Entry> {
  /** What one of it is: `fault`. */
  noun: string
  entries: readonly E[]
  /** Behind the summary. */
  remark?(entry: E): string
  /** Lines below its keys. */
  more?(entry: E, isInFull: boolean): string[]
  /** What JSON has of it beside its parameters. */
  told(entry: E): object
}

/** All of a catalogue, or one kind of it in full, for people or as JSON. Throws NoSuchKind. Pure. */
export function printCatalogue<E extends Entry>({ noun, entries, remark = () => '', more = () => [], told }: Catalogue<E>, kind: string | undefined, json: boolean): string {
  const chosen = entries.filter(entry => kind === undefined || entry.kind === kind)
  if (chosen.length === 0) throw new NoSuchKind(noun, kind, entries.map(entry => entry.kind))
  if (json) return `${JSON.stringify(chosen.map(entry => ({ ...told(entry), parameters: z.toJSONSchema(entry.parameters, { io: 'input' }) })), null, 2)}\n`
  return `${chosen.map(entry => [
    `${entry.kind.padEnd(16)} ${entry.summary}${remark(entry)}`,
    ...printKeys(entry.parameters),
    ...more(entry, kind !== undefined),
    ...kind === undefined ? [] : ['', entry.documentation],
  ].join('\n')).join('\n')}\n`
}

/** A line for each key of a kind, with its description, which may stand within an optional one. Pure. */
export function printKeys(parameters: z.ZodObject): string[] {
  const { properties = {} } = z.toJSONSchema(parameters, { io: 'input' })
  return Object.entries(properties).map(([key, schema]) => `    ${key.padEnd(14)} ${typeof schema === 'object' ? schema.description ?? '' : ''}`)
}
