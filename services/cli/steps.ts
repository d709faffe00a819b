import { z } from 'zod'
import { printDuration } from '#shared/units.ts'
import { parallelSteps, stepKinds } from './campaign/campaign.ts'
import { commonKeys, type StepKind } from './campaign/step.ts'
import { printCatalogue, printKeys } from './catalogue.ts'

type Entry = Pick<StepKind, 'kind' | 'summary' | 'documentation' | 'parameters'> & { timeoutMs?: number }

/** The catalogue of campaign steps, or one kind of it in full, for people or as JSON. Throws NoSuchKind. */
export const printSteps = (kind: string | undefined, json: boolean): string => printCatalogue<Entry>({
  noun: 'step', entries: [...stepKinds.values(), parallelSteps],
  remark: ({ timeoutMs }) => timeoutMs === undefined ? '' : ` (${printDuration(timeoutMs)} at most, unless timeout says otherwise)`,
  more: ({ timeoutMs }, isInFull) => isInFull && timeoutMs !== undefined ? ['  as every step:', ...printKeys(z.object(commonKeys))] : [],
  told: ({ kind: name, summary, documentation, timeoutMs }) => ({ kind: name, summary, documentation, timeoutMs }),
}, kind, json)
