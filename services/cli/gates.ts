import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { gateKinds } from '#shared/gate-kinds.ts'
import { printKeys } from './print-keys.ts'

class NoSuchGate extends InvalidInput {
  readonly code = 'no_such_gate'
}

/** The catalogue, or one kind of it in full, for people or as JSON. Throws NoSuchGate. */
export function printGates(kind: string | undefined, json: boolean): string {
  const chosen = [...gateKinds.values()].filter(gate => kind === undefined || gate.kind === kind)
  if (chosen.length === 0) throw new NoSuchGate(`no gate is called ${kind}; there are ${[...gateKinds.keys()].join(', ')}`)
  if (json) return `${JSON.stringify(chosen.map(({ kind: name, summary, documentation, sources, parameters }) => ({ kind: name, summary, documentation, sources, parameters: z.toJSONSchema(parameters, { io: 'input' }) })), null, 2)}\n`
  return `${chosen.map(({ kind: name, summary, sources, parameters, documentation }) => [
    `${name.padEnd(16)} ${summary}`,
    ...printKeys(parameters),
    `    read from      ${sources.join(' or ')}`,
    ...(kind === undefined ? [] : ['', documentation]),
  ].join('\n')).join('\n')}\n`
}
