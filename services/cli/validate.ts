import { readExperiments, renderProblem, type Problem } from '#shared/experiment-file.ts'
import { readTextFile } from '#shared/document-file.ts'
import { readYaml } from '#shared/experiment-yaml.ts'
import { parsePolicies } from '#shared/policy-file.ts'

/** What a file holds: names of experiments, of campaigns or of policies, or problems. */
interface Checked { file: string; experiments: string[]; campaigns: string[]; policies: string[]; problems: Problem[] }

/**
 * `faultline validate FILE...`: 0 when every document of every file is an experiment, or every one a campaign, or a policy, else 3. Reads files; starts nothing.
 * With `json`, `output` is {valid, files: [{file, experiments: [name], campaigns: [name], policies: [name], problems: [Problem]}]}; else a line for each.
 */
export async function validate(files: string[], options: { json: boolean }): Promise<{ exitCode: 0 | 3; output: string }> {
  const results: Checked[] = []
  for (const file of files) results.push(await check(file))
  const valid = results.length > 0 && results.every(({ problems }) => problems.length === 0)
  return { exitCode: valid ? 0 : 3, output: options.json ? JSON.stringify({ valid, files: results }, null, 2) : printLines(results) }
}

async function check(file: string): Promise<Checked> {
  const read = await readTextFile(file, 'an experiment')
  const none = { file, experiments: [], campaigns: [], policies: [] }
  if ('problem' in read) return { ...none, problems: [read.problem] }
  const kind = kindOf(read.text)
  if (kind === 'Campaign') {
    const { readCampaignFile } = await import('./campaign/campaign-command.ts')
    const { campaigns, problems } = await readCampaignFile(file)
    return { ...none, campaigns: campaigns.map(({ name }) => name), problems }
  }
  if (kind === 'Policy') {
    const { policies, problems } = parsePolicies(read.text, file)
    return { ...none, policies: policies.map(({ policy }) => policy.name), problems }
  }
  const { experiments, problems } = await readExperiments(read.text, file)
  return { ...none, experiments: experiments.map(({ experiment }) => experiment.name), problems }
}

/** As its first document says; a file of several kinds is told of where the second begins. */
function kindOf(text: string): unknown {
  const [first] = readYaml(text).documents
  return first?.complete === true && typeof first.plain === 'object' && first.plain !== null && 'kind' in first.plain ? first.plain.kind : undefined
}

function printLines(results: readonly Checked[]): string {
  if (results.length === 0) return 'no file given; name at least one experiment file'
  return results.flatMap(({ file, experiments, campaigns, policies, problems }) => [
    ...[...experiments, ...campaigns, ...policies].map(name => `${file}: valid: ${name}`), ...problems.map(renderProblem),
  ]).join('\n')
}
