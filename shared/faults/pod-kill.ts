import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/** What a node failure, an eviction or a bad deployment does to a single pod: it is gone, and whoever owns it makes another. */
export default defineFault({
  kind: 'pod-kill',
  summary: 'Evicts or deletes a pod through the Kubernetes API; its controller makes another',
  documentation: `
Evicts exactly the pods that were chosen, each by name and UID (a precondition of the API), so that a pod that took the name meanwhile is never hit. An
eviction asks the PodDisruptionBudgets; with \`blastRadius.disruptionBudgets: ignore\` the pods are deleted instead. With \`gracePeriodSeconds: 0\` the pod is gone from the API at once and its processes are killed without a word.

- Done in an instant: it has no duration and nothing to undo; its controller replaces it, or nobody does.
- Read back: the API no longer has a pod of this UID, or has marked it for deletion.
- Needs: the API-side actor, whose service account may evict and delete pods in namespaces that have opted in.
- Does not: touch a namespace that has not opted in.
`.trim(),
  targets: { pods: 'cluster' },
  duration: 'none',
  parameters: z.strictObject({
    gracePeriodSeconds: z.int().min(0).max(3_600).optional().describe('Time to end by itself (default: the pod\'s own; 0: killed at once)'),
  }),
  plan: ({ gracePeriodSeconds = null }) => [{ do: 'delete-pod', gracePeriodSeconds, lease: 'none' }],
})
