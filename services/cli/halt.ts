import { setTimeout as delay } from 'node:timers/promises'
import { InvalidInput, messageOf } from '#shared/errors.ts'
import { removeHaltFile, writeHaltFile } from '#shared/halt-file.ts'
import { ApiClient, runsAreTaken } from './api-client.ts'
import type { Told } from './cluster/halt-object.ts'
import { connectScheduler, type ClusterOptions } from './cluster/scheduler.ts'
import { askSessions } from './local/ask-sessions.ts'
import { localSessions } from './local/folder.ts'
import { haltFilesHere, haltFileToWrite } from './local/halt-files.ts'

class NothingToHalt extends InvalidInput {
  readonly code = 'nothing_to_halt'
}

/** `byFile`: nobody is asked. */
export interface HaltOptions { why: string; byFile: boolean }

/** So long a scheduler may still see what was taken away. */
const seenWithinMs = 15_000
const lookAgainMs = 500

/**
 * `faultline halt`: the lever of a cluster, or of every local session. Whoever does not answer is halted by a file, or by a ConfigMap, which ask nobody.
 * Exit code 4 when neither could be done. Throws NothingToHalt, ContextUnknown, ClusterUnready.
 */
export async function haltCommand({ why, byFile }: HaltOptions, cluster?: ClusterOptions): Promise<0 | 4> {
  return cluster ? haltCluster({ why, byFile }, cluster) : haltHere({ why, byFile })
}

/** `faultline resume`: takes away whatever halts. Exit code 4 when something still does. Throws NothingToHalt, ContextUnknown, ClusterUnready. */
export async function resumeCommand(cluster?: ClusterOptions): Promise<0 | 4> {
  return cluster ? resumeCluster(cluster) : resumeHere()
}

async function haltHere({ why, byFile }: HaltOptions): Promise<0 | 4> {
  if (byFile) return haltByFile(why)
  const sessions = localSessions()
  if (sessions.length === 0) throw new NothingToHalt('no local session is under way; with --file none can begin anything either, with --cluster it is the cluster that is meant')
  const { deaf } = await askSessions(sessions, async (client, session) => say(`${session}: ${await client.halt(why)}`))
  return deaf > 0 ? haltByFile(why) : 0
}

function haltByFile(why: string): 0 | 4 {
  const path = haltFileToWrite()
  try {
    writeHaltFile(path, why)
  } catch (error) {
    warn(`the file ${path} could not be written: ${messageOf(error)}`)
    return 4
  }
  say(`halted by the file ${path}${why === '' ? '' : `: ${why}`}; whoever acts on this machine sees it within a moment, and nothing runs until faultline resume`)
  return 0
}

async function resumeHere(): Promise<0 | 4> {
  const { removed, stuck } = removeFiles()
  const sessions = localSessions()
  if (removed + stuck + sessions.length === 0) throw new NothingToHalt('no local session is under way, and no file halts this machine; with --cluster it is the cluster that is meant')
  const { deaf } = await askSessions(sessions, async (client, session) => say(`${session}: ${await client.resume()}`))
  return deaf + stuck > 0 ? 4 : 0
}

function removeFiles(): { removed: number; stuck: number } {
  const count = { removed: 0, stuck: 0 }
  for (const path of haltFilesHere()) {
    try {
      if (!removeHaltFile(path)) continue
      count.removed += 1
      say(`the file ${path} is gone`)
    } catch (error) {
      count.stuck += 1
      warn(`the file ${path} halts, and could not be removed: ${messageOf(error)}`)
    }
  }
  return count
}

async function haltCluster({ why, byFile }: HaltOptions, cluster: ClusterOptions): Promise<0> {
  if (!byFile) {
    try {
      await using scheduler = await connectScheduler(cluster)
      say(`${scheduler.name}: ${await new ApiClient(scheduler).halt(why)}`)
      return 0
    } catch (error) {
      if (error instanceof InvalidInput) throw error // it was understood, and refused; or there is no such cluster
      warn(`the scheduler could not be asked: ${messageOf(error)}`)
    }
  }
  const { putHaltObject } = await import('./cluster/halt-object.ts')
  const told = await putHaltObject(cluster, why)
  say(`halted by the ConfigMap faultline-halt in ${cluster.namespace}${why === '' ? '' : `: ${why}`}; ${whoLooks(told)}. Schedulers see it within some seconds: no lease is renewed any more. Nothing runs until faultline resume --cluster`)
  return 0
}

async function resumeCluster(cluster: ClusterOptions): Promise<0 | 4> {
  const { havePodsLook, removeHaltObject } = await import('./cluster/halt-object.ts')
  const told = await removeHaltObject(cluster)
  if (!told) await havePodsLook(cluster) // one that somebody else took away still lies in their mounts, be it in an agent's alone: what a scheduler says does not tell
  else say(`the ConfigMap faultline-halt is gone from ${cluster.namespace}; ${whoLooks(told)}`)
  await using scheduler = await connectScheduler(cluster)
  const client = new ApiClient(scheduler)
  const givenUpAt = performance.now() + seenWithinMs
  for (;;) {
    const answer = await client.resume()
    if (answer !== runsAreTaken && performance.now() < givenUpAt) {
      await delay(lookAgainMs)
      continue
    }
    say(`${scheduler.name}: ${answer}`)
    return answer === runsAreTaken ? 0 : 4
  }
}

const whoLooks = ({ pods, told }: Told) => told === pods ? `the pods of faultline (${pods}) look within seconds` : `${told} of ${pods} pods of faultline look within seconds, the others within a minute and a half`
const say = (what: string) => void process.stdout.write(`${what}\n`)
const warn = (what: string) => void process.stderr.write(`${what}\n`)
