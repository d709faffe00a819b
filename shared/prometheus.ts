import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { PrometheusDriver, ResponseType, type QueryResult } from 'prometheus-query'
import { z } from 'zod'
import type { Config } from '#shared/config.ts'
import type { StoredSeries } from '#shared/counter-series.ts'
import { messageOf } from '#shared/errors.ts'
import type { FactData } from '#shared/events.ts'
import { clockApart } from '#shared/prometheus-clock.ts'
import { instantSelectors } from '#shared/prometheus-freshness.ts'
import { withoutLogin } from '#shared/redaction.ts'

export interface PrometheusOptions {
  /** Base URL; a path prefix such as Mimir's `/prometheus` belongs to it. */
  url: string
  bearerToken?: string
  /** Read before each request, so that a rotated token is taken up. Wins over `bearerToken`. */
  tokenFile?: string
  /** Basic authentication, in place of a token. */
  login?: { user: string; password: string }
  /** PEM file of the authority that signed the server's certificate. Read at start: throws when it cannot be. */
  caFile?: string
  /** Tenant, sent as `X-Scope-OrgID`. */
  orgId?: string
  timeoutMs?: number
}

/** As the settings say; undefined when `prometheus.url` is not set. */
export function configuredPrometheus(config: Config): PrometheusOptions | undefined {
  const url = config.get('prometheus.url')
  if (url === undefined) return undefined
  const [bearerToken, tokenFile, caFile, orgId] = [config.get('prometheus.bearerToken'), config.get('prometheus.tokenFile'), config.get('prometheus.caFile'), config.get('prometheus.orgId')]
  const user = config.get('prometheus.user')
  if (user !== undefined) return { url, login: { user, password: config.need('prometheus.password') }, ...(caFile !== undefined && { caFile }), ...(orgId !== undefined && { orgId }) }
  return { url, ...(bearerToken !== undefined && { bearerToken }), ...(tokenFile !== undefined && { tokenFile }), ...(caFile !== undefined && { caFile }), ...(orgId !== undefined && { orgId }) }
}

export type Answer = Exclude<FactData<'slo.answer'>['answer'], { is: 'counters' }>
export type SamplesAnswer = { is: 'samples'; series: StoredSeries[]; warnings?: string[] } | { is: 'no-data'; why: string }

/** Prometheus as the gates need it: one number, or why there is none. Only `history` ever rejects. */
export interface Prometheus {
  /** The value of the expression at that date. Samples older than `freshForMs` are no data, nor is anything from a Prometheus whose clock is not ours. */
  ask(query: string, evaluatedAtMs: number, options: { freshForMs: number }): Promise<Answer>
  /** The raw samples that a range selector, such as `requests_total[30s]`, has at that date, with their own dates; none when its clock is not ours. */
  samples(query: string, evaluatedAtMs: number): Promise<SamplesAnswer>
  /** Whether any target exposes a metric of that name, be it without a series yet. */
  knowsMetric(name: string): Promise<{ is: 'known' | 'unknown' } | { is: 'no-data'; why: string }>
  /** The expression's values over a span; empty when it has no single series. Rejects when Prometheus does not answer. */
  history(query: string, startMs: number, endMs: number, stepMs: number): Promise<[number, number][]>
  /** Gives up what is under way. */
  close(): void
}

/** One element of an instant vector, and of a matrix, in prometheus-query's shape. */
const anyNumber = z.union([z.number(), z.nan(), z.literal([Infinity, -Infinity])]) // z.number() means a finite one
const instant = z.object({ value: z.object({ value: anyNumber }) })
const scalar = z.tuple([z.number(), z.string()])
const series = z.object({ values: z.array(z.object({ time: z.date(), value: anyNumber })) })

/** A history of one series is half a megabyte; who answers more has not understood the question. */
const mostBytes = 16 * 1_048_576
/** Of a page of HTML, or of every problem of a wrong shape, the beginning says what it is. */
const longestWhy = 500

export function connectPrometheus({ url, bearerToken, tokenFile, login, caFile, orgId, timeoutMs = 2_000 }: PrometheusOptions): Prometheus {
  const told = withoutLogin(url) // its answers, and why there are none, are facts
  const agent = caFile === undefined ? undefined : new Agent({ ca: readFileSync(caFile), keepAlive: true })
  const closing = new AbortController()
  /**
   * One a question, since an answer's warnings are told to nobody but `read`, which may also put its body into a form that the driver can read. `apart`: told why the answer's
   * dates are not ours, if they are not.
   */
  const open = (read: (body: unknown) => unknown = withReadableValues, apart: (why: string) => void = () => undefined) => {
    let askedAtMs = 0
    return new PrometheusDriver({
      endpoint: url.replace(/\/+$/, ''),
      timeout: timeoutMs,
      preferPost: true, // an expression may be longer than a URL
      requestInterceptor: {
        onFulfilled: async config => {
          const token = tokenFile === undefined ? bearerToken : (await readFile(tokenFile, 'utf8')).trim()
          if (token !== undefined) config.headers.set('authorization', `Bearer ${token}`)
          if (login) config.headers.set('authorization', `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`)
          if (orgId !== undefined) config.headers.set('x-scope-orgid', orgId)
          config.signal = closing.signal
          config.maxRedirects = 0 // a redirect would carry the token elsewhere
          config.maxContentLength = mostBytes
          if (agent) config.httpsAgent = agent
          askedAtMs = Date.now()
          return config
        },
      },
      responseInterceptor: {
        onFulfilled: response => {
          const why = clockApart(response.headers['date'], { askedAtMs, answeredAtMs: Date.now() })
          if (why !== undefined) apart(`Prometheus at ${told} answers, but ${why}`)
          response.data = read(response.data)
          return response
        },
      },
    })
  }

  const staleness = async (query: string, evaluatedAtMs: number, freshForMs: number): Promise<string | undefined> => {
    for (const selector of instantSelectors(query)) {
      const oldest = answerOf(await open().instantQuery(`min(timestamp(${selector}))`, evaluatedAtMs))
      if (oldest.is === 'no-data') return `${selector}: ${oldest.why}`
      const ageMs = Math.round(evaluatedAtMs - oldest.value * 1_000)
      if (ageMs > freshForMs) return `stale: the newest sample of ${selector} is ${ageMs} ms old, older than the gate's window of ${freshForMs} ms`
    }
    return undefined
  }

  const unanswered = (error: unknown) => ({ is: 'no-data' as const, why: `Prometheus at ${told} did not answer the query: ${whyOf(error).slice(0, longestWhy)}` })

  return {
    async ask(query, evaluatedAtMs, { freshForMs }) {
      let warnings: string[] = []
      let otherTime: string | undefined
      const driver = open(body => {
        warnings = warningsOf(body)
        return withReadableValues(body)
      }, why => { otherTime = why })
      try {
        const [result, stale] = await Promise.all([driver.instantQuery(query, evaluatedAtMs), staleness(query, evaluatedAtMs, freshForMs)])
        const answer = answerOf(result)
        const whyNot = otherTime ?? (answer.is === 'value' ? stale : undefined) // a clock that is wrong is why nothing is there, too
        return { ...(whyNot !== undefined ? { is: 'no-data' as const, why: whyNot } : answer), ...(warnings.length > 0 && { warnings }) }
      } catch (error) {
        return unanswered(error)
      }
    },
    async samples(query, evaluatedAtMs) {
      let body: unknown
      let otherTime: string | undefined
      const driver = open(found => {
        body = found
        return withoutSamples(found)
      }, why => { otherTime = why })
      try {
        await driver.instantQuery(query, evaluatedAtMs)
        return otherTime === undefined ? samplesOf(body) : { is: 'no-data', why: otherTime }
      } catch (error) {
        return unanswered(error)
      }
    },
    async knowsMetric(name) {
      try {
        for (const asked of [name, name.replace(/_total$/, '')]) { // OpenMetrics announces a counter without its ending
          if (Object.hasOwn(metadata.parse(await open().metadata(asked)), asked)) return { is: 'known' }
        }
        return { is: 'unknown' }
      } catch (error) {
        return unanswered(error)
      }
    },
    async history(query, startMs, endMs, stepMs) {
      const { result } = await open().rangeQuery(query, startMs, endMs, stepMs / 1_000).catch((error: unknown) => {
        throw new Error(`Prometheus at ${told} did not answer: ${whyOf(error).slice(0, longestWhy)}`) // without its cause, which holds the request, and so the token
      })
      const [only, ...others] = z.array(series).parse(result)
      if (!only || others.length > 0) return []
      return only.values.filter(({ value }) => Number.isFinite(value)).map(({ time, value }): [number, number] => [time.getTime(), value])
    },
    close() {
      closing.abort()
      agent?.destroy()
    },
  }
}

function answerOf({ resultType, result }: QueryResult): Answer {
  if (resultType === ResponseType.SCALAR) return numberAnswer(Number(readable(scalar.parse(result)[1])))
  if (resultType !== ResponseType.VECTOR) return { is: 'no-data', why: `a ${resultType}, not one number` }
  const [only, ...others] = z.array(instant).parse(result)
  if (!only) return { is: 'no-data', why: 'empty: no series has a value then' }
  if (others.length > 0) return { is: 'no-data', why: `${others.length + 1} series, not one; wrap the expression in sum(...) or max(...)` }
  return numberAnswer(only.value.value)
}

function numberAnswer(value: number): Answer {
  if (Number.isNaN(value)) return { is: 'no-data', why: 'NaN, such as 0 divided by 0: nothing was counted in the range' }
  return Number.isFinite(value) ? { is: 'value', value } : { is: 'no-data', why: `infinite (${value})` }
}

/** prometheus-query reads values with parseFloat, which makes NaN of `+Inf`, and 5 of `5 apples`. */
function withReadableValues(body: unknown): unknown {
  const parsed = z.looseObject({ data: z.looseObject({ resultType: z.literal('vector'), result: z.array(z.looseObject({ value: scalar })) }) }).safeParse(body)
  if (!parsed.success) return body
  const result = parsed.data.data.result.map(item => ({ ...item, value: [item.value[0], readable(item.value[1])] }))
  return { ...parsed.data, data: { ...parsed.data.data, result } }
}

/** A value as Go writes it, as JavaScript reads it. What is no number is not the number that it begins with, nor the 0 that nothing is. */
const readable = (text: string): string => /^[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|Inf)$/i.test(text) ? text.replace(/Inf$/, 'Infinity') : 'NaN'

/** A few, and short: they are shown to people, and stored with each answer. */
function warningsOf(body: unknown): string[] {
  const parsed = z.looseObject({ warnings: z.array(z.unknown()) }).safeParse(body)
  return parsed.success ? parsed.data.warnings.filter(warning => typeof warning === 'string').slice(0, mostWarnings).map(warning => warning.slice(0, longestWarning)) : []
}
const mostWarnings = 5
const longestWarning = 200

/** By metric, what its targets say of it. */
const metadata = z.record(z.string(), z.array(z.unknown()))

/** A number as Prometheus writes it. */
const number = z.string().transform(text => Number(readable(text)))
const dateMs = z.number().transform(seconds => Math.round(seconds * 1_000))
const nativeHistogram = z.object({
  count: number, buckets: z.array(z.tuple([z.number(), number, number, number])).default([]),
}).transform(({ count, buckets }) => ({ count, buckets: buckets.map(([, lower, upper, inBucket]) => ({ lower, upper, count: inBucket })) }))
const matrix = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('matrix'),
    result: z.array(z.object({
      metric: z.record(z.string(), z.string()),
      values: z.array(z.tuple([dateMs, number])).default([]),
      histograms: z.array(z.tuple([dateMs, nativeHistogram])).default([]),
    })),
  }),
})

function samplesOf(body: unknown): SamplesAnswer {
  const warnings = warningsOf(body)
  const series = matrix.parse(body).data.result.map(({ metric, values, histograms }) => ({ labels: metric, samples: values, histograms }))
  return { is: 'samples', series, ...(warnings.length > 0 && { warnings }) }
}

/** prometheus-query knows nothing of histograms, and throws at a series that has no values; so its samples are not left to it. */
function withoutSamples(body: unknown): unknown {
  const parsed = z.looseObject({ status: z.literal('success'), data: z.unknown() }).safeParse(body)
  return parsed.success ? { ...parsed.data, data: { resultType: ResponseType.MATRIX, result: [] } } : body
}

const thrown = z.object({ error: z.string(), httpStatus: z.number().optional(), code: z.string().optional() })

/** prometheus-query throws plain objects. */
function whyOf(error: unknown): string {
  const parsed = thrown.safeParse(error)
  if (error instanceof z.ZodError) return `its answer is not in the shape that Prometheus's API has (${error.issues[0]?.path.join('.') || 'all of it'}: ${error.issues[0]?.message})`
  if (!parsed.success) return z.object({ errorType: z.string() }).safeParse(error).data?.errorType ?? messageOf(error)
  const { error: text, httpStatus, code } = parsed.data
  return [httpStatus === undefined ? '' : `HTTP ${httpStatus}`, text, code === undefined || text.includes(code) ? '' : `(${code})`].filter(Boolean).join(' ')
}
