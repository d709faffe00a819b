import type { GateKind } from '#shared/gate.ts'
import { load } from '#shared/registry.ts'

export const gateKinds = await load<GateKind>('gates')
