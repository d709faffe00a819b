/**
 * The halt in Kubernetes, which needs no scheduler and no NATS:
 *
 *     kubectl --namespace faultline-system create configmap faultline-halt --from-literal=halt='the release is today'
 *
 * Each pod that acts has it mounted as a file (k8s/base). A kubelet looks at once when the pod is annotated, and within a minute or so when it is not.
 */
export const haltConfigMap = { name: 'faultline-halt', key: 'halt', told: 'faultline.dev/halt-told' } as const
