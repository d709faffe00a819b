import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { once } from 'node:events'
import type { ProbePlan } from '#shared/probe.ts'
import { reasonOf, type ProbeDriver } from './driver.ts'

type HttpPlan = Extract<ProbePlan, { by: 'http' }>

/** Ids are looked for by so many requests at a time. */
const readersAtOnce = 8

export function httpDriver(url: URL, plan: HttpPlan): ProbeDriver {
  const authorization = url.username === '' ? undefined : `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`
  /** The address is the operator's; a path that an experiment gives can only follow it. */
  const ask = async (method: string, path: string, id: string, signal: AbortSignal, body?: string): Promise<number> => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)({
      method, signal, agent: false, // a connection of its own
      hostname: url.hostname.replaceAll(/^\[|\]$/g, ''), port: url.port === '' ? undefined : Number(url.port),
      path: url.pathname.replace(/\/$/, '') + path.replaceAll('{id}', id),
      headers: { accept: 'application/json, */*', 'user-agent': 'faultline-prober', ...(authorization !== undefined && { authorization }), ...(body !== undefined && { 'content-type': 'application/json' }) },
    })
    request.end(body?.replaceAll('{id}', id))
    const [response] = await once(request, 'response', { signal }) as [{ statusCode: number; resume(): void }]
    request.on('error', () => {}) // what comes after the status is of no interest
    response.resume()
    return response.statusCode
  }
  return {
    async attempt(id, signal) {
      try {
        const status = 'write' in plan ? await ask(plan.write.method, plan.write.path, id, signal, plan.write.body) : await ask('GET', plan.read.path, id, signal)
        const isGood = status >= 200 && status < ('write' in plan ? 300 : 400)
        return isGood ? { is: 'ok' } : { is: 'failed', why: `HTTP ${status}` }
      } catch (error) {
        return { is: 'failed', why: reasonOf(error, signal) }
      }
    },
    async find(ids, signal) {
      const found = new Set<string>()
      const queue = [...ids]
      await Promise.all(Array.from({ length: readersAtOnce }, async () => {
        for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
          const status = await ask('GET', plan.read.path, id, signal)
          if (status >= 200 && status < 300) found.add(id)
          else if (status !== 404 && status !== 410) throw new Error(`HTTP ${status}`)
        }
      }))
      return found
    },
    clear: () => Promise.resolve(), // what a service has taken is the service's
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
