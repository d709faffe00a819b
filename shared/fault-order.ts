import type { FactData, StoredFact } from '#shared/events.ts'

/** Who was told to do a fault, each to a part of its targets: it is whole when all of them have done it. `epoch`, `atMs`: of the last order. */
export type FaultOrder = Pick<FactData<'fault.ordered'>, 'nodes' | 'epoch' | 'atMs'>

/**
 * With another order, of a leader that knew of nobody who has done the fault, and may have chosen others: who was told before may have done it all the same, and be gone
 * before anybody heard of it. So each who was ever told is to say what came of that.
 */
export const withOrder = (known: FaultOrder | undefined, { nodes, epoch, atMs }: FaultOrder): FaultOrder =>
  ({ nodes: [...new Set([...known?.nodes ?? [], ...nodes])], epoch, atMs })

/** Of a run's facts, in their order. */
export const orderOf = (facts: readonly StoredFact[], fault: string): FaultOrder | undefined =>
  facts.reduce((known: FaultOrder | undefined, { kind, fact }) => kind === 'fault.ordered' && fact.data.fault === fault ? withOrder(known, fact.data) : known, undefined)

/** Who of them is not among those that have told what came of it. Nobody, where no order is on record, as of a version that wrote none. */
export const silentOf = (order: FaultOrder | undefined, heard: { has(node: string): boolean }): string[] => order?.nodes.filter(node => !heard.has(node)) ?? []
