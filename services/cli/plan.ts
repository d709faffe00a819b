import { readExperimentFile, renderProblem } from '#shared/experiment-file.ts'
import { planExperiment, type FilePlan } from './plan/experiment-plan.ts'
import { renderPlan } from './plan/render-plan.ts'
import { parseParent } from './process-parent.ts'

export interface PlanOptions {
  within: readonly string[]
  json: boolean
  /** Columns of the terminal. */
  width: number
}

/**
 * `faultline plan FILE`: what a run of each experiment would do now. The agent's own planning looks at the processes, so that plan and run
 * cannot differ; it starts nothing and changes nothing. 0: all of it can be done; 2: some fault would be refused; 3: the file is invalid.
 */
export async function planCommand(file: string, { within, json, width }: PlanOptions): Promise<{ exitCode: 0 | 2 | 3; output: string }> {
  const { experiments, problems } = await readExperimentFile(file)
  const isValid = problems.length === 0
  if (!isValid && !json) return { exitCode: 3, output: problems.map(problem => `${renderProblem(problem)}\n`).join('') }
  const parents = isValid ? within.map(parseParent) : []
  const plans = experiments.map(({ experiment }) => planExperiment(experiment, parents))
  const plan: FilePlan = { file, possible: isValid && plans.every(({ possible }) => possible), problems, parents, experiments: plans }
  return { exitCode: isValid ? plan.possible ? 0 : 2 : 3, output: json ? `${JSON.stringify(plan, null, 2)}\n` : renderPlan(plan, width) }
}
