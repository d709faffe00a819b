import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { policySchema } from '#shared/policy.ts'
import type { Policies } from './policies.ts'
import { policyMeant, type Meant } from './policy-meant.ts'
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
 *   DELETE /api/v1/policies/:name         200 {policy: name} | 404 | 409 what an object of Kubernetes asks for, which would bring it back
 *   POST   /api/v1/policies/:name/resume  200 {policy: name, resumed: boolean} | 404
 *
 * The last two take an object's name, too, as NAME or NAMESPACE%2FNAME, and answer 409 where several policies are of such an object.
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
  const meant = (said: string) => policyMeant(said, policies.list())
  guarded.delete<{ Params: { name: string } }>('/api/v1/policies/:name', (request, reply) => change(request, reply, {
    about: nameForAudit(request.params.name, meant(request.params.name)),
    async here(by) {
      const policy = meant(request.params.name)
      if (policy.is !== 'one') return notOne(reply, policy)
      const { name, object } = policy
      if (object) return reply.code(409).send({ error: `${name} is what the object ${object.namespace}/${object.name} asks for, which would bring it back; remove that: kubectl --namespace ${object.namespace} delete policies.faultline.dev ${object.name}` })
      return await policies.remove(name, by) ? { policy: name } : notOne(reply, { is: 'none', why: `no policy ${name}` })
    },
  }))
  guarded.post<{ Params: { name: string } }>('/api/v1/policies/:name/resume', (request, reply) => change(request, reply, {
    about: nameForAudit(request.params.name, meant(request.params.name)),
    async here(by) {
      const policy = meant(request.params.name)
      if (policy.is !== 'one') return notOne(reply, policy)
      return { policy: policy.name, resumed: await policies.resume(policy.name, by) }
    },
  }))
}

/** As it is known here: the leader, who does it, looks again. */
const nameForAudit = (said: string, policy: Meant) => policy.is === 'one' ? policy.name : said
const notOne = (reply: FastifyReply, { is, why }: Exclude<Meant, { is: 'one' }>) => reply.code(is === 'none' ? 404 : 409).send({ error: why })
