import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/** What an upgrade of a node does to it: nothing new comes, and what is there has to go elsewhere. */
export default defineFault({
  kind: 'node-drain',
  summary: 'Cordons a node and evicts its pods, as an upgrade of the node would',
  documentation: `
Cordons the node, then evicts its pods through the Eviction API, which asks the PodDisruptionBudgets: an eviction that a budget refuses is tried
again until the fault ends. With \`blastRadius.disruptionBudgets: ignore\` the pods are deleted instead. Evicted are pods of namespaces that have opted
in; left are those of DaemonSets, those of the kubelet itself, those that no controller would make again, and those of other namespaces. The
read-back names them.

- Undone by uncordoning the node, if it was this fault that cordoned it; pods that moved stay where they are.
- Read back: the node is unschedulable, and which pods are going; afterwards it is schedulable.
- Ends by itself: at its duration, or when its lease is not renewed, by two restorer pods that watch the record of the fault in the Kubernetes API.
  While the API server cannot be reached, nobody can uncordon anything.
- Needs: a node with the label faultline.dev/chaos=allowed that carries none of faultline's own control pods.
- Does not: wait until all pods are gone, or bring them back.
`.trim(),
  targets: { nodes: 'cluster' },
  disruptive: false, // the Eviction API asks the budgets itself, pod by pod
  duration: 'required',
  alone: 'node',
  parameters: z.strictObject({}),
  plan: () => [{ do: 'drain-node', lease: 'restorer' }],
})
