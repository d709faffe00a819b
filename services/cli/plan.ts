import { readExperimentFile, renderProblem, type WrittenExperiment } from '#shared/experiment-file.ts'
import { ApiClient } from './api-client.ts'
import { demandLocustfiles } from './load-locustfile.ts'
import type { EvidenceOptions } from './plan/evidence-warnings.ts'
import { planExperiment, planInCluster, type ExperimentPlan, type FilePlan } from './plan/experiment-plan.ts'
import { renderPlan } from './plan/render-plan.ts'
import { parseParent } from './process-parent.ts'

export interface PlanOptions {
  allow: readonly string[]
  json: boolean
  /** Columns of the terminal. */
  width: number
  /** Requests a second that the service gets. */
  rps?: number | undefined
  /** The scheduler of a cluster is asked, in place of this machine. `name`: its context. */
  cluster?: { name: string; apiUrl: string; token: string }
}

/**
 * `faultline plan FILE`: what a run of each experiment would do now. The agents' own planning looks at processes and pods, so that plan and run
 * cannot differ; it starts nothing and changes nothing. 0: all of it can be done; 2: some fault would be refused; 3: the file is invalid.
 * Throws LocustfileMissing.
 */
export async function planCommand(file: string, { allow, json, width, rps, cluster }: PlanOptions): Promise<{ exitCode: 0 | 2 | 3; output: string }> {
  const { experiments, problems } = await readExperimentFile(file)
  const isValid = problems.length === 0
  if (!isValid && !json) return { exitCode: 3, output: problems.map(problem => `${renderProblem(problem)}\n`).join('') }
  if (!cluster) demandLocustfiles(file, experiments)
  const parents = isValid ? allow.map(parseParent) : []
  const plans = cluster && isValid ? await plansInCluster(experiments, new ApiClient(cluster), { rps }) : experiments.map(({ experiment }) => planExperiment(experiment, parents, { rps }))
  const plan: FilePlan = { file, possible: isValid && plans.every(({ possible }) => possible), problems, parents, cluster: cluster?.name ?? null, experiments: plans }
  return { exitCode: isValid ? plan.possible ? 0 : 2 : 3, output: json ? `${JSON.stringify(plan, null, 2)}\n` : renderPlan(plan, width) }
}

async function plansInCluster(experiments: readonly WrittenExperiment[], client: ApiClient, options: EvidenceOptions): Promise<ExperimentPlan[]> {
  const plans: ExperimentPlan[] = []
  for (const { experiment, document } of experiments) plans.push(planInCluster(experiment, await client.plan(document), options))
  return plans
}
