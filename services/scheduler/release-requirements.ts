import { join } from 'node:path'
import { z } from 'zod'
import { readTextFile } from '#shared/document-file.ts'
import { parseExperiments, renderProblem } from '#shared/experiment-file.ts'
import { readYaml } from '#shared/experiment-yaml.ts'
import type { Requirement } from '#shared/release-check.ts'
import { experimentIdentity } from '#shared/release-run.ts'
import { dnsLabel } from '#shared/units.ts'

/** `problem`: why it is not known what is required; then nothing is. */
export interface Requirements { required: Requirement[]; problem?: string }

const names = z.array(dnsLabel()).min(1).max(100)

/**
 * What the operator requires of a service: `shop.yaml` in that folder, which holds a list of experiments' names, or the experiments themselves, of
 * which then no other of the same name counts. Never throws.
 *
 * @param app with or without its namespace; one file serves all namespaces
 */
export async function readRequirements(folder: string | undefined, app: string): Promise<Requirements> {
  if (folder === undefined) return { required: [], problem: 'the question names no experiment, and no folder of requirements is set (release.requirementsFolder)' }
  const file = `${app.slice(app.indexOf('/') + 1)}.yaml`
  const read = await readTextFile(join(folder, file), 'a requirements')
  if ('problem' in read) return { required: [], problem: `the question names no experiment, and ${file} in the folder of requirements is none that can be read: ${read.problem.found ?? read.problem.expected}` }
  return parseRequirements(read.text, file)
}

/** Pure. */
export function parseRequirements(text: string, file: string): Requirements {
  const [first, ...others] = readYaml(text).documents
  if (first?.complete && Array.isArray(first.plain)) {
    if (others.length > 0) return { required: [], problem: `${file}: expected one list of experiments' names, or experiments, found more after the list, which nobody would be held to` }
    const listed = names.safeParse(first.plain)
    return listed.success ? { required: listed.data.map(experiment => ({ experiment })) } : { required: [], problem: `${file}: expected a list of experiments' names: ${listed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}` }
  }
  const { experiments, problems } = parseExperiments(text, file)
  if (problems.length > 0) return { required: [], problem: problems.map(renderProblem).join('; ') }
  return { required: experiments.map(({ document, experiment }) => ({ experiment: experiment.name, hash: experimentIdentity(document) })) }
}
