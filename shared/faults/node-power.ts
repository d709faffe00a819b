import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'

/** A power cut: nothing on the node is asked, and afterwards nothing answers for it. */
export default defineFault({
  kind: 'node-power',
  summary: 'Cuts the power of a node through a power service, which gives it back',
  documentation: `
Asks the power service that the operator has named (\`power.url\`, \`power.token\`) to switch the node off, and to switch it on again when the lease that
comes with each request is over. Everything on the node is lost with it, in whatever namespace: the node's own opt-in is for all that runs there.

The service answers, with a bearer token:

    PUT   /nodes/<name>/power   {"state": "off", "holder": <id>, "leaseMs": <ms>}    off now; on again when the lease is over
    PATCH /nodes/<name>/power   {"holder": <id>, "leaseMs": <ms>}                    the lease from now on; 409 when it is over already
    PUT   /nodes/<name>/power   {"state": "on", "holder": <id>}                      on again; repeatable
    GET   /nodes/<name>/power   -> {"state": "off" | "on" | "turning-on", "holder"?: <id>}

- Undone by switching the node on.
- Read back: the service's answer, and the Ready condition of the node, which follows seconds later; afterwards the node is on, and ready again.
- Ends by itself: in the power service, by the lease, even when nothing of faultline is left.
- Needs: a power service for the machines there are (a BMC, a hypervisor or a cloud behind it), and a node with the label faultline.dev/chaos=allowed that
  carries none of faultline's own control pods.
- Does not: move pods; how soon they are replaced is up to their tolerations.
`.trim(),
  targets: { nodes: 'cluster' },
  duration: 'required',
  alone: 'node',
  parameters: z.strictObject({}),
  plan: () => [{ do: 'power-off', lease: 'power-service' }],
})
