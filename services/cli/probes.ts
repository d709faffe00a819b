import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { probeKinds } from '#shared/probe-kinds.ts'
import { printKeys } from './print-keys.ts'

class NoSuchProbe extends InvalidInput {
  readonly code = 'no_such_probe'
}

/** The catalogue, or one kind of it in full, for people or as JSON. Throws NoSuchProbe. */
export function printProbes(kind: string | undefined, json: boolean): string {
  const chosen = [...probeKinds.values()].filter(probe => kind === undefined || probe.kind === kind)
  if (chosen.length === 0) throw new NoSuchProbe(`no probe is called ${kind}; there are ${[...probeKinds.keys()].join(', ')}`)
  if (json) return `${JSON.stringify(chosen.map(({ parameters, bound: _, ...told }) => ({ ...told, parameters: z.toJSONSchema(parameters, { io: 'input' }) })), null, 2)}\n`
  return `${chosen.map(({ kind: name, summary, endpointExample, parameters, documentation }) => [
    `${name.padEnd(16)} ${summary}`,
    ...printKeys(parameters),
    `    such as        ${endpointExample}`,
    ...(kind === undefined ? [] : ['', documentation]),
  ].join('\n')).join('\n')}\n`
}
