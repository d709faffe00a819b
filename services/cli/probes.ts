import { probeKinds } from '#shared/probe-kinds.ts'
import { printCatalogue } from './catalogue.ts'

/** The catalogue of probes, or one kind of it in full, for people or as JSON. Throws NoSuchKind. */
export const printProbes = (kind: string | undefined, json: boolean): string => printCatalogue({
  noun: 'probe', entries: [...probeKinds.values()],
  more: ({ endpointExample }) => [`    such as        ${endpointExample}`],
  told: ({ parameters: _parameters, bound: _bound, ...told }) => told,
}, kind, json)
