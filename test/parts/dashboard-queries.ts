import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { parser } from '@prometheus-io/lezer-promql'
import { z } from 'zod'

const folder = new URL('../../grafana/dashboards/', import.meta.url)

const target = z.looseObject({ expr: z.string(), refId: z.string(), datasource: z.object({ type: z.string(), uid: z.string() }) })
const panel = z.looseObject({
  id: z.int(), type: z.string(), title: z.string(), description: z.string().optional(), targets: z.array(target).optional(),
  gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }), fieldConfig: z.object({ defaults: z.looseObject({ unit: z.string().optional() }) }).optional(),
})
const variable = z.looseObject({ name: z.string(), type: z.string(), query: z.string() })
const annotation = z.looseObject({ name: z.string(), expr: z.string(), target: z.object({ expr: z.string() }), useValueForTime: z.boolean() })
const dashboard = z.looseObject({
  uid: z.string(), title: z.string(), panels: z.array(panel), templating: z.object({ list: z.array(variable) }), annotations: z.object({ list: z.array(annotation) }),
})
export type CommittedDashboard = z.output<typeof dashboard> & { file: string }

/** The dashboards as Grafana gets them. */
export const committedDashboards = (): CommittedDashboard[] => readdirSync(folder).filter(file => file.endsWith('.json')).sort()
  .map(file => ({ file, ...dashboard.parse(JSON.parse(readFileSync(new URL(file, folder), 'utf8'))) }))

export interface DashboardQuery { asks: string; expr: string }

/** Every query that Grafana would send for a dashboard: of panels, annotations and variables, as they are written. */
export const queriesOf = ({ file, panels, annotations, templating }: CommittedDashboard): DashboardQuery[] => [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ refId, expr }) => ({ asks: `${file}: ${title} (${refId})`, expr }))),
  ...annotations.list.map(({ name, target: { expr } }) => ({ asks: `${file}: annotation ${name}`, expr })),
  ...templating.list.flatMap(({ name, type, query }) => type === 'query' ? [{ asks: `${file}: variable ${name}`, expr: seriesOf(query) }] : []),
]

/** `label_values(series, label)` asks for the values that one label has among these series. */
function seriesOf(query: string): string {
  const [, series] = /^label_values\((.+), \w+\)$/.exec(query) ?? []
  if (series === undefined) throw new Error(`expected label_values(series, label), found ${query}`)
  return series
}

/** A query with Grafana's variables filled in, as Grafana does for a Prometheus that scrapes every second. */
export function filledIn(expr: string, { run, rangeSeconds }: { run: string; rangeSeconds: number }): string {
  const values: Record<string, string> = { experiment: '.*', namespace: '.*', gate: '.*', run, __range_s: String(rangeSeconds), __range: `${rangeSeconds}s`, __rate_interval: '4s', __interval: '1s' }
  return expr.replaceAll(/\$(\w+)/g, (_, name: string) => values[name] ?? unknown(name))
}
const unknown = (name: string): never => { throw new Error(`no dashboard has a variable ${name}`) }

const answerSchema = z.object({ data: z.object({ result: z.array(z.object({ metric: z.record(z.string(), z.string()), values: z.array(z.tuple([z.number(), z.string()])) })) }) })
export type Answer = z.output<typeof answerSchema>['data']['result']

/** Series of a real Prometheus that had a number at some second since then. Fails with what it says is wrong with the query. */
export async function askSince(beganMs: number, { url, authorization }: { url: string; authorization?: string }, expr: string): Promise<Answer> {
  const body = new URLSearchParams({ query: expr, start: String(beganMs / 1_000), end: String(Date.now() / 1_000), step: '1s' })
  const response = await fetch(`${url}/api/v1/query_range`, { method: 'POST', body, headers: { ...(authorization !== undefined && { authorization }) } })
  const text = await response.text()
  assert.equal(response.status, 200, `${expr}: ${text}`)
  return answerSchema.parse(JSON.parse(text)).data.result.filter(({ values }) => values.some(([, value]) => Number.isFinite(Number(value))))
}

/** The metrics whose series an expression selects; a histogram's by the histogram's own name. */
export function metricsIn(expr: string): string[] {
  const names: string[] = []
  parser.parse(expr).iterate({
    enter({ name, node, from, to }) {
      if (name === 'Identifier' && node.parent?.name === 'VectorSelector') names.push(expr.slice(from, to).replace(/_(bucket|count|sum)$/, ''))
    },
  })
  return names
}

/** Metrics that dashboards and alert rules ask for and that a run on one machine does not show, by the reason. */
export const metricsNotHere: Readonly<Record<string, readonly string[]>> = {
  'restorers run in a cluster only': ['faultline_restorer_restored_total'],
}
