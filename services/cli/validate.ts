import { parseExperiments, renderProblem, type Problem } from '#shared/experiment-file.ts'
import { readTextFile } from '#shared/document-file.ts'
import { readYaml } from '#shared/experiment-yaml.ts'

/** What a file holds: names of experiments or of campaigns, or problems. */
interface Checked { file: string; experiments: string[]; campaigns: string[]; problems: Problem[] }

/**
 * `faultline validate FILE...`: 0 when every document of every file is an experiment, or every one a campaign, else 3. Reads files; starts nothing.
 * With `json`, `output` is {valid, files: [{file, experiments: [name], campaigns: [name], problems: [Problem]}]}; else a line for each.
 */
export async function validate(files: string[], options: { json: boolean }): Promise<{ exitCode: 0 | 3; output: string }> {
  const results: Checked[] = []
  for (const file of files) results.push(await check(file))
  const valid = results.length > 0 && results.every(({ problems }) => problems.length === 0)
  return { exitCode: valid ? 0 : 3, output: options.json ? JSON.stringify({ valid, files: results }, null, 2) : printLines(results) }
}

async function check(file: string): Promise<Checked> {
  const read = await readTextFile(file, 'an experiment')
  if ('problem' in read) return { file, experiments: [], campaigns: [], problems: [read.problem] }
  if (isCampaign(read.text)) {
    const { readCampaignFile } = await import('./campaign/campaign-command.ts')
    const { campaigns, problems } = await readCampaignFile(file)
    return { file, experiments: [], campaigns: campaigns.map(({ name }) => name), problems }
  }
  const { experiments, problems } = parseExperiments(read.text, file)
  return { file, experiments: experiments.map(({ experiment }) => experiment.name), campaigns: [], problems }
}

/** As its first document says; a file of both kinds is told of where the second begins. */
function isCampaign(text: string): boolean {
  const [first] = readYaml(text).documents
  return first?.complete === true && typeof first.plain === 'object' && first.plain !== null && 'kind' in first.plain && first.plain.kind === 'Campaign'
}

function printLines(results: readonly Checked[]): string {
  if (results.length === 0) return 'no file given; name at least one experiment file'
  return results.flatMap(({ file, experiments, campaigns, problems }) => [
    ...[...experiments, ...campaigns].map(name => `${file}: valid: ${name}`), ...problems.map(renderProblem),
  ]).join('\n')
}
