import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import type { ZodError } from 'zod'
import { bears } from '#shared/bearer.ts'
import { loadSampleSchema, type LoadSample } from './load-sample.ts'

export interface SampleServerOptions {
  listen: { host: string; port: number }
  /** What `Authorization: Bearer` of a sample must be. */
  token: string
  /** What that of /metrics must be; without it, nothing is asked. */
  metricsToken?: string | undefined
  /** Called before the answer, in the order of arrival; it must not wait for anything. */
  take: (sample: LoadSample) => void
  ready: () => boolean
  metrics: Registry
}

export interface SampleServer {
  url: string
  close(): Promise<void>
}

/** A second of 10,000 different response times is some 100 kB. */
const bodyLimit = 1_048_576
/** For the whole of a request to arrive. */
const requestTimeout = 30_000
/** Of a sample that is wrong in thousands of places the first say enough. */
const mostProblems = 5

/** Where Locust's listeners post: POST /samples (204, 400, 401, 413), and GET /metrics, /healthz, /readyz. */
export async function startSampleServer({ listen, token, metricsToken, take, ready, metrics }: SampleServerOptions): Promise<SampleServer> {
  const server = fastify({ bodyLimit, requestTimeout, forceCloseConnections: true })
  /** Before the body is read: who has no token has nothing parsed. */
  const onRequest = async (request: FastifyRequest, reply: FastifyReply) => {
    if (!bears(request.headers.authorization, token)) await reply.code(401).send({ error: 'the bearer token is missing or wrong; check FAULTLINE_BRIDGE_TOKEN' })
  }

  server.post('/samples', { onRequest }, async (request, reply) => {
    const sample = loadSampleSchema.safeParse(request.body)
    if (!sample.success) return await reply.code(400).send({ error: problemsOf(sample.error) })
    take(sample.data)
    return await reply.code(204).send()
  })
  server.get('/metrics', async (request, reply) => {
    if (metricsToken !== undefined && !bears(request.headers.authorization, metricsToken)) return await reply.code(401).send({ error: 'a bearer token is needed' })
    return await reply.type(metrics.contentType).send(await metrics.metrics())
  })
  server.get('/healthz', async (_, reply) => await reply.type('text/plain').send('ok\n'))
  server.get('/readyz', async (_, reply) => await reply.code(ready() ? 200 : 503).type('text/plain').send(ready() ? 'ready\n' : 'not ready\n'))

  const url = await server.listen(listen)
  return { url, close: () => server.close() }
}

function problemsOf({ issues }: ZodError): string {
  const told = issues.slice(0, mostProblems).map(({ path, message }) => `${path.join('.') || 'the sample'}: ${message}`.slice(0, 300))
  return [...told, ...issues.length > mostProblems ? [`and ${issues.length - mostProblems} more`] : []].join('; ')
}
