import type { ProbeKind } from '#shared/probe.ts'
import { load } from '#shared/registry.ts'

export const probeKinds = await load<ProbeKind>('probes')
