import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { baseImage, provideBaseImage } from './base-image.ts'
import { archiveImage, buildImage } from './buildah.ts'
import { importImages } from './images.ts'
import { checkUser } from './machine.ts'
import { containerdAnswers, socketOf } from './node.ts'
import { nodeNamespace, nodeNumbers } from './paths.ts'
import { ArgumentInvalid } from './problems.ts'
import { firstProcessOf } from './processes.ts'
import { settingsOfRunningCluster } from './settings.ts'

/** Builds DIR/Dockerfile and gives it to every node that is on; the others get it with their power. Returns the tag pods name. */
export async function imageCommand(tag: string, folder: string, options: { file?: string; buildArg?: string[] }, say: (line: string) => void): Promise<string> {
  checkUser()
  const { nodes } = settingsOfRunningCluster()
  const file = options.file ?? join(folder, 'Dockerfile')
  if (!existsSync(file)) throw new ArgumentInvalid(`there is no ${file}.`)
  const fullTag = tag.startsWith('localhost/') ? tag : `localhost/${tag}`
  const chosen = options.buildArg ?? []
  const needsBase = /^ARG BASE\b/m.test(readFileSync(file, 'utf8')) && !chosen.some(argument => argument.startsWith('BASE='))
  if (needsBase) await provideBaseImage(say)
  say(`building ${fullTag}`)
  await buildImage(fullTag, folder, { file, buildArguments: [...needsBase ? [`BASE=${baseImage}`] : [], ...chosen] })
  await archiveImage(fullTag)
  await Promise.all(nodeNumbers(nodes).map(giveTo))
  return fullTag
}

/** To a node that is on. One that loses its power meanwhile gets it with its power, as one without does. */
async function giveTo(node: number): Promise<void> {
  const first = firstProcessOf(nodeNamespace(node))
  if (first === undefined) return
  try {
    await containerdAnswers(node, first)
    await importImages(node, socketOf(first))
  } catch (error) {
    if (firstProcessOf(nodeNamespace(node)) === first) throw error
  }
}
