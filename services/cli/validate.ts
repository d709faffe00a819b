import { readExperimentFile, renderProblem, type ReadResult } from '#shared/experiment-file.ts'

/**
 * `faultline validate FILE...`: 0 when every document of every file is an experiment, else 3. Reads files; starts nothing.
 * With `json`, `output` is {valid, files: [{file, experiments: [name], problems: [Problem]}]}; else a line for each experiment or problem.
 */
export async function validate(files: string[], options: { json: boolean }): Promise<{ exitCode: 0 | 3; output: string }> {
  const results: { file: string; result: ReadResult }[] = []
  for (const file of files) results.push({ file, result: await readExperimentFile(file) })
  const valid = results.length > 0 && results.every(({ result }) => result.problems.length === 0)
  return { exitCode: valid ? 0 : 3, output: options.json ? printJson(valid, results) : printLines(results) }
}

function printJson(valid: boolean, results: { file: string; result: ReadResult }[]): string {
  const files = results.map(({ file, result }) => ({ file, experiments: result.experiments.map(({ experiment }) => experiment.name), problems: result.problems }))
  return JSON.stringify({ valid, files }, null, 2)
}

function printLines(results: { file: string; result: ReadResult }[]): string {
  if (results.length === 0) return 'no file given; name at least one experiment file'
  return results.flatMap(({ file, result }) => [
    ...result.experiments.map(({ experiment }) => `${file}: valid: ${experiment.name}`),
    ...result.problems.map(renderProblem),
  ]).join('\n')
}
