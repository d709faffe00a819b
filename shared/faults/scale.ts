import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/** Capacity that is gone, or more than was thought of: the number of replicas, changed under whoever runs it. */
export default defineFault({
  kind: 'scale',
  summary: 'Sets a Deployment or StatefulSet to another number of replicas for a while',
  documentation: `
Sets \`spec.replicas\` of the workload, and back again. Refused when a HorizontalPodAutoscaler scales the workload, since the two would fight, and when
the number is what it is already. PodDisruptionBudgets are not asked: Kubernetes does not ask them of scaling either.

- Undone by setting the number to what it was, unless somebody else has changed it meanwhile: then theirs stays, and the read-back says so.
- Read back: \`spec.replicas\`, and how many pods there are.
- Ends by itself: at its duration, or when its lease is not renewed, by two restorer pods that watch the record of the fault in the Kubernetes API.
  While the API server cannot be reached, nobody can scale anything.
- Needs: the API-side actor, whose service account may scale workloads in namespaces that have opted in.
- Does not: wait until pods have come or gone.
`.trim(),
  targets: { workload: 'cluster' },
  disruptive: false, // scaling asks no budgets
  duration: 'required',
  alone: 'replicas',
  parameters: z.strictObject({ replicas: z.int().min(0).max(1_000).describe('How many there are to be') }),
  plan: ({ replicas }) => [{ do: 'scale', replicas, lease: 'restorer' }],
})
