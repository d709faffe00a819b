import { z } from 'zod'
import { InvalidInput } from '#shared/errors.ts'
import { printDuration } from '#shared/units.ts'
import { parallelSteps, stepKinds } from './campaign/campaign.ts'
import { commonKeys, type StepKind } from './campaign/step.ts'
import { printKeys } from './print-keys.ts'

class NoSuchStep extends InvalidInput {
  readonly code = 'no_such_step'
}

type Entry = Pick<StepKind, 'kind' | 'summary' | 'documentation' | 'parameters'> & { timeoutMs?: number }

/** The catalogue of campaign steps, or one kind of it in full, for people or as JSON. Throws NoSuchStep. */
export function printSteps(kind: string | undefined, json: boolean): string {
  const all: Entry[] = [...stepKinds.values(), parallelSteps]
  const chosen = all.filter(step => kind === undefined || step.kind === kind)
  if (chosen.length === 0) throw new NoSuchStep(`no step is called ${kind}; there are ${all.map(step => step.kind).join(', ')}`)
  if (json) return `${JSON.stringify(chosen.map(({ kind: name, summary, documentation, timeoutMs, parameters }) => ({ kind: name, summary, documentation, timeoutMs, parameters: z.toJSONSchema(parameters, { io: 'input' }) })), null, 2)}\n`
  return `${chosen.map(({ kind: name, summary, timeoutMs, parameters, documentation }) => [
    `${name.padEnd(16)} ${summary}${timeoutMs === undefined ? '' : ` (${printDuration(timeoutMs)} at most, unless timeout says otherwise)`}`,
    ...printKeys(parameters),
    ...(kind === undefined ? [] : [...timeoutMs === undefined ? [] : ['  as every step:', ...printKeys(z.object(commonKeys))], '', documentation]),
  ].join('\n')).join('\n')}\n`
}
