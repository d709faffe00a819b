import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { faultKinds } from '#shared/registry.ts'
import { printKeys } from './print-keys.ts'

class NoSuchFault extends InvalidInput {
  readonly code = 'no_such_fault'
}

/** The catalogue, or one kind of it in full, for people or as JSON. Throws NoSuchFault. */
export function printFaults(kind: string | undefined, json: boolean): string {
  const chosen = [...faultKinds.values()].filter(fault => kind === undefined || fault.kind === kind)
  if (chosen.length === 0) throw new NoSuchFault(`no fault is called ${kind}; there are ${[...faultKinds.keys()].join(', ')}`)
  if (json) return `${JSON.stringify(chosen.map(({ kind: name, summary, documentation, duration, parameters }) => ({ kind: name, summary, documentation, duration, parameters: z.toJSONSchema(parameters, { io: 'input' }) })), null, 2)}\n`
  return chosen.map(fault => {
    const heading = `${fault.kind.padEnd(16)} ${fault.summary}${fault.duration === 'required' ? ' (takes a duration)' : ' (in an instant)'}`
    return [heading, ...printKeys(fault.parameters), ...(kind === undefined ? [] : ['', fault.documentation])].join('\n')
  }).join('\n') + '\n'
}
