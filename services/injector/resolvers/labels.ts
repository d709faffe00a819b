import { printLabels } from '#shared/target.ts'
import type { PodResolver } from '../pod-resolver.ts'

/** `labels`: what the pod bears, all of them. */
export default {
  kind: 'labels',
  narrow: ({ labels }) => labels && { labels: printLabels(labels) },
} satisfies PodResolver
