import type { PodResolver } from '../pod-resolver.ts'

/** `node`: the one that the pod is on. */
export default {
  kind: 'node',
  narrow: ({ node }) => node === undefined ? undefined : { fields: `spec.nodeName=${node}` },
} satisfies PodResolver
