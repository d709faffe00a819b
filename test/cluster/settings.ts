/** What the cluster that is up was asked for. Written last by `up`: without it, an `up` was interrupted. */
import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { mostNodes, nodeNumbers, paths } from './paths.ts'
import { ArgumentInvalid, ClusterDown } from './problems.ts'

const settingsSchema = z.strictObject({ nodes: z.int().min(1).max(mostNodes), upSince: z.iso.datetime() })
export type Settings = z.output<typeof settingsSchema>

export function readSettings(): Settings | undefined {
  try {
    return settingsSchema.parse(JSON.parse(readFileSync(paths.settings, 'utf8')))
  } catch {
    return undefined
  }
}

export function writeSettings(settings: Settings): void {
  writeFileSync(paths.settings, JSON.stringify(settings))
}

export function settingsOfRunningCluster(): Settings {
  const settings = readSettings()
  if (!settings) throw new ClusterDown('the cluster is not up; `npm run cluster:up` starts it.')
  return settings
}

/** A node's number as typed, such as `2` or `n2`. */
export function parseNode(typed: string): number {
  const { nodes } = settingsOfRunningCluster()
  const node = Number(typed.replace(/^n/, ''))
  if (!nodeNumbers(nodes).includes(node)) throw new ArgumentInvalid(`there is no node ${typed}; the cluster has ${nodeNumbers(nodes).map(number => `n${number}`).join(', ')}.`)
  return node
}

export function parseNodeCount(typed: string): number {
  const count = Number(typed)
  if (!Number.isInteger(count) || count < 1 || count > mostNodes) throw new ArgumentInvalid(`--nodes takes a number from 1 to ${mostNodes}, not ${typed}.`)
  return count
}
