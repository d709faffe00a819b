import { isOlderEpoch } from '#shared/epoch.ts'
import type { FactData, StoredFact } from '#shared/events.ts'

/** Who was told to do a fault, each to a part of its targets: it is whole when all of them have done it. */
export type FaultOrder = Pick<FactData<'fault.ordered'>, 'nodes' | 'epoch' | 'atMs'>

/** The order that counts after this one has come: a leader that has been followed by another may write its own late. */
export const orderInForce = (known: FaultOrder | undefined, next: FaultOrder): FaultOrder =>
  isOlderEpoch(next.epoch, known?.epoch) && known ? known : { nodes: next.nodes, epoch: next.epoch, atMs: next.atMs }

/** Of a run's facts, in their order. */
export const orderOf = (facts: readonly StoredFact[], fault: string): FaultOrder | undefined =>
  facts.reduce((known: FaultOrder | undefined, { kind, fact }) => kind === 'fault.ordered' && fact.data.fault === fault ? orderInForce(known, fact.data) : known, undefined)

/** Who of them is not among those that have told what came of it. Nobody, where no order is on record, as of a version that wrote none. */
export const silentOf = (order: FaultOrder | undefined, heard: { has(node: string): boolean }): string[] => order?.nodes.filter(node => !heard.has(node)) ?? []
