import { gateKinds } from '#shared/gate-kinds.ts'
import { printCatalogue } from './catalogue.ts'

/** The catalogue of gates, or one kind of it in full, for people or as JSON. Throws NoSuchKind. */
export const printGates = (kind: string | undefined, json: boolean): string => printCatalogue({
  noun: 'gate', entries: [...gateKinds.values()],
  more: ({ sources }) => [`    read from      ${sources.join(' or ')}`],
  told: ({ kind: name, summary, documentation, sources }) => ({ kind: name, summary, documentation, sources }),
}, kind, json)
