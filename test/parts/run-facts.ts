import { parseFact, type FactData, type FactType, type StoredFact } from '#shared/events.ts'
import type { TestedService } from '#shared/tested-service.ts'

/** The facts of a run that say something of coverage, as the services would have stored them. */
export interface RunStory {
  run: string
  /** Dates count from here. */
  atMs: number
  experiment?: string
  /** What each fault hit; `process`: something without a service. */
  hits?: readonly { kind: string; on: readonly TestedService[] | 'process'; verified?: boolean; afterSeal?: true }[]
  declared?: readonly TestedService[]
  begin?: readonly TestedService[]
  end?: readonly TestedService[]
  verdict?: 'passed' | 'failed' | 'inconclusive' | null
  /** Place in the stream of the first one. */
  stream?: number
}

export const service = (app: string, version = '1', namespace = 'shop'): TestedService => ({ namespace, app, version })

/** A run is sealed 10 s after its beginning; the look at its end comes after its verdict, as it may. */
export function factsOf({ run, atMs, experiment = 'pod-loss', hits = [], declared, begin, end, verdict = 'passed', stream = 1 }: RunStory): StoredFact[] {
  const facts: StoredFact[] = []
  const add = <T extends FactType>(type: T, data: FactData<T>, dateMs: number) => {
    const sequence = facts.length + 1
    facts.push(parseFact({
      specversion: '1.0', id: `${run}/${sequence}`, source: `/faultline/test/${run}`, type: `dev.faultline.${type}`, subject: run, time: new Date(dateMs).toISOString(),
      datacontenttype: 'application/json', sequence, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, data,
    }, stream + facts.length))
  }
  const inject = ({ kind, on, verified = true }: NonNullable<RunStory['hits']>[number], index: number) => add('fault.injected', {
    fault: `${index + 1}-${kind}`, kind, node: 'n1', verified, readBack: [], requestedAtMs: atMs, injectedAtMs: atMs, clock: 'boot',
    targets: on === 'process' ? [{ id: 'process:1:2', pid: 1, startTicks: 2, description: 'postgres' }]
      : on.map((hit, pod) => ({ id: `pod:${pod}`, pod: { namespace: hit.namespace, name: `pod-${pod}`, uid: String(pod), node: 'n1' }, services: [hit], description: hit.app })),
  }, atMs)
  add('run.submitted', { experiment: { metadata: { name: experiment } }, experimentHash: 'x', epoch: { bucketCreatedMs: 0, revision: 1 }, ...(declared && { services: [...declared] }) }, atMs)
  if (declared) add('run.services', { when: 'begin', services: [...declared], declared: true, atMs }, atMs)
  if (begin) add('run.services', { when: 'begin', services: [...begin], atMs }, atMs)
  for (const [index, hit] of hits.entries()) if (!hit.afterSeal) inject(hit, index)
  add('run.sealed', { atMs: atMs + 10_000 }, atMs + 10_000)
  for (const [index, hit] of hits.entries()) if (hit.afterSeal) inject(hit, index)
  if (verdict !== null) add('run.judged', { verdict, reasons: [verdict], revertUnconfirmed: false }, atMs + 10_100)
  if (end) add('run.services', { when: 'end', services: [...end], atMs: atMs + 10_200 }, atMs + 10_200)
  return facts
}
