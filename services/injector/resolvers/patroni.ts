import type { PodResolver } from '../pod-resolver.ts'

/**
 * `role: postgres-primary` and `postgres-replica`: by the label `role` that Patroni keeps on its pods. `master` is what older ones call the
 * primary. Only a pod that also carries Patroni's own annotation `status` counts: others may use a label of that name for something else.
 */
export default {
  kind: 'patroni',
  narrow({ role }) {
    if (role !== 'postgres-primary' && role !== 'postgres-replica') return undefined
    return {
      labels: role === 'postgres-primary' ? 'role in (primary,master)' : 'role=replica',
      fits: ({ metadata }) => metadata?.annotations?.['status'] !== undefined,
    }
  },
} satisfies PodResolver
