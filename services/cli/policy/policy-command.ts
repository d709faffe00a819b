import { InvalidInput } from '#shared/errors.ts'
import { renderProblem } from '#shared/experiment-problem.ts'
import { readPolicyFile } from '#shared/policy-file.ts'
import { ApiClient, type PolicySummary } from '../api-client.ts'
import { connectScheduler, type ClusterOptions } from '../cluster/scheduler.ts'
import { localSessions } from '../local/folder.ts'
import { printNames } from '../../scheduler/policy-meant.ts'

class SessionUnclear extends InvalidInput {
  readonly code = 'session_unclear'
}

interface Answer { exitCode: 0 | 3; output: string }

/**
 * `faultline policy apply|list|resume|remove`, of the scheduler of a cluster, or of the one local session that is running. 0: done; 3: the file is invalid,
 * and nothing was changed. Throws SessionUnclear, RequestRefused, SchedulerUnreachable.
 */
export async function policyCommand(word: 'apply' | 'list' | 'resume' | 'remove', what: string, { cluster, json }: { cluster: ClusterOptions | undefined; json: boolean }): Promise<Answer> {
  if (!cluster) return act(word, what, new ApiClient(theSession()), json)
  await using scheduler = await connectScheduler(cluster)
  return await act(word, what, new ApiClient(scheduler), json)
}

async function act(word: 'apply' | 'list' | 'resume' | 'remove', what: string, client: ApiClient, json: boolean): Promise<Answer> {
  const done = (output: string): Answer => ({ exitCode: 0, output })
  switch (word) {
    case 'apply': {
      const { policies, problems } = await readPolicyFile(what)
      if (problems.length > 0) return { exitCode: 3, output: problems.map(problem => `${renderProblem(problem)}\n`).join('') }
      for (const { policy, document } of policies) await client.setPolicy(policy.name, document)
      return done(policies.map(({ policy }) => `${policy.name} is in force\n`).join(''))
    }
    case 'list': {
      const policies = await client.policies()
      return done(json ? `${JSON.stringify({ policies }, null, 2)}\n` : renderPolicies(policies))
    }
    case 'resume': {
      const { policy, resumed } = await client.resumePolicy(what)
      return done(resumed ? `${policy} goes on\n` : `${policy} was not paused\n`)
    }
    case 'remove': return done(`${await client.removePolicy(what)} is removed; its runs under way go on to their end\n`)
  }
}

function theSession(): { apiUrl: string; token: string } {
  const [session, ...others] = localSessions()
  if (!session) throw new SessionUnclear('no session is running on this machine; for a cluster, say --cluster')
  if (others.length > 0) throw new SessionUnclear(`${others.length + 1} sessions are running on this machine, of the processes ${[session, ...others].map(({ pid }) => pid).join(', ')}; end all but one, or say --cluster`)
  return session
}

/** Pure. Dates in UTC. */
export function renderPolicies(policies: readonly PolicySummary[]): string {
  if (policies.length === 0) return 'no policies\n'
  return policies.map(({ name, by, state, reason, nextAtMs, upcoming, recent, budgets }) => [
    `${printNames({ name, by })}: ${state}${reason === null ? '' : `, ${reason}`}`,
    ...budgets.map(({ slo, remainingRatio, why }) => `  budget  ${slo}: ${remainingRatio === null ? `cannot be read, so nothing runs: ${why}` : `${Number((remainingRatio * 100).toPrecision(4))} % left`}`),
    ...nextAtMs === null ? [] : upcoming.slice(0, 5).map(({ atMs, experiment }) => `  next    ${date(atMs)}  ${experiment}`),
    ...recent.slice(0, 5).map(({ atMs, experiment, run, outcome }) => `  last    ${date(atMs)}  ${experiment}  ${outcome}${run === null ? '' : `  ${run}`}`),
    '',
  ].join('\n')).join('\n')
}

const date = (atMs: number) => new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')
