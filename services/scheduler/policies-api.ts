import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { policySchema } from '#shared/policy.ts'
import type { Policies } from './policies.ts'
import type { RecordedChange } from './recorded-change.ts'

/** Checked as a policy, passed on as it was written. */
const policyDocument = z.unknown().superRefine((written, context) => {
  for (const issue of policySchema.safeParse(written).error?.issues ?? []) context.addIssue({ code: 'custom', path: [...issue.path], message: issue.message })
})

/**
 * Policies over HTTP. Each scheduler answers what is read; what changes something is done by the leader.
 *
 *   GET    /api/v1/policies               200 {policies: PolicySummary[]}
 *   PUT    /api/v1/policies/:name         {policy}: 200 {policy: name} | 400 problems
 *   DELETE /api/v1/policies/:name         200 {policy: name} | 404
 *   POST   /api/v1/policies/:name/resume  200 {policy: name, resumed: boolean} | 404
 */
export function policiesApi(guarded: FastifyInstance, policies: Policies, change: RecordedChange): void {
  guarded.get('/api/v1/policies', () => ({ policies: policies.list() }))
  guarded.put<{ Params: { name: string } }>('/api/v1/policies/:name', async (request, reply) => {
    const { name } = request.params
    const body = z.strictObject({ policy: policyDocument }).safeParse(request.body)
    if (!body.success) return reply.code(400).send({ error: 'not a policy', problems: body.error.issues.map(({ path, message }) => ({ path: path.join('.'), expected: message })) })
    const { policy } = body.data
    const own = policySchema.parse(policy).name
    if (own !== name) return reply.code(400).send({ error: `the policy is called ${own}, not ${name}` })
    return change(request, reply, { about: name, body: { policy }, here: async by => ({ policy: await policies.set(policy, by) }) })
  })
  guarded.delete<{ Params: { name: string } }>('/api/v1/policies/:name', (request, reply) => change(request, reply, {
    about: request.params.name,
    here: async by => await policies.remove(request.params.name, by) ? { policy: request.params.name } : unknown(reply, request.params.name),
  }))
  guarded.post<{ Params: { name: string } }>('/api/v1/policies/:name/resume', (request, reply) => change(request, reply, {
    about: request.params.name,
    async here(by) {
      const { name } = request.params
      if (!policies.list().some(policy => policy.name === name)) return unknown(reply, name)
      return { policy: name, resumed: await policies.resume(name, by) }
    },
  }))
}

const unknown = (reply: FastifyReply, name: string) => reply.code(404).send({ error: `no policy ${name}` })
