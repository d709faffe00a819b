/** The experiments that there are to copy, for whoever has just started the shop. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readExperimentFile } from '#shared/experiment-file.ts'
import { inColumns } from './columns.ts'

/** Below the checkout, which is where commands of the README are given. */
export const experimentsFolder = 'k8s/experiments/local'

export interface ExperimentToTry {
  /** In that folder. */
  file: string
  /** What its experiments ask, each in its own words. */
  asks: string[]
}

/** A run needs no description, so that an `Experiment` has none. */
const written = z.looseObject({ description: z.string().optional() })

/** Where the shop is, what of it may be touched (NAME=PID), what is scraped, and where its endpoints are. */
export interface ShopAddresses { url: string; allow: readonly string[]; scrape: readonly string[]; endpointsFolder: string }

/** Every YAML file of the folder, by name. One that is no experiment is told as such. */
export async function experimentsToTry(folder: string): Promise<ExperimentToTry[]> {
  const files = (await readdir(folder)).filter(file => file.endsWith('.yaml')).toSorted()
  return Promise.all(files.map(async file => {
    const { experiments, problems } = await readExperimentFile(join(folder, file))
    return { file, asks: problems.length > 0 ? ['is not valid; npx faultline validate says why'] : experiments.map(({ document, experiment }) => written.parse(document).description ?? experiment.name) }
  }))
}

/** Pure. One command to copy, which serves each of them: addresses that an experiment does not need do it no harm. */
export function renderShopHint({ url, allow, scrape, endpointsFolder }: ShopAddresses, experiments: readonly ExperimentToTry[]): string {
  return `The jewelry shop is at ${url} until Ctrl-C (customer1@example.test, password customer). Experiments on it, in ${experimentsFolder}:

${inColumns(experiments.flatMap(({ file, asks }) => asks.map((words, index) => [index === 0 ? file : '', words]))).map(row => `  ${row}`).join('\n')}

In another terminal, with any of these files (npx faultline doctor says which faults this machine can do):

  npx faultline run ${experimentsFolder}/worker-kill.yaml \\
    --host ${url} --allow ${allow.join(' ')} --scrape ${scrape.join(' ')} \\
    --endpoints ${endpointsFolder}
`
}
