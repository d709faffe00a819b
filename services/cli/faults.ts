import { faultKinds } from '#shared/registry.ts'
import { printCatalogue } from './catalogue.ts'

/** The catalogue of faults, or one kind of it in full, for people or as JSON. Throws NoSuchKind. */
export const printFaults = (kind: string | undefined, json: boolean): string => printCatalogue({
  noun: 'fault', entries: [...faultKinds.values()],
  remark: ({ duration }) => duration === 'required' ? ' (takes a duration)' : ' (in an instant)',
  told: ({ kind: name, summary, documentation, duration }) => ({ kind: name, summary, documentation, duration }),
}, kind, json)
