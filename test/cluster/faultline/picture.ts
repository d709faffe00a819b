/**
 * What a fault could leave behind, before and after: of each node and all its pods, through the agents' pods (nft, tc, addresses, routes, processes,
 * mounts, cgroups, journals), and of what the API has (nodes' cordons and taints, pods, restarts, endpoints). On any cluster that has faultline.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { inSystem } from './installed.ts'

/** By place, what is there, one line a thing. */
export type Picture = Record<string, string[]>

/** What the system itself changes by design when such a fault has been: everything else must be as it was. */
export type ByDesign = 'nothing' | 'a new container' | 'new pods on any node'

const script = readFileSync(new URL('node-picture.mjs', import.meta.url), 'utf8')
/** A node that was cut off, or had no power, is heard of again some ten seconds later, by whoever backs off between two attempts. */
const settledWithinMs = 30_000
/** For seconds after a run a reverter stands by for the next one (services/injector/reverters.ts). It is in no picture unless it stays. */
const standbyGoneWithinMs = 10_000

/** Ids that a container gets anew each time it is started. */
const ofContainers: [RegExp, string][] = [[/[0-9a-f]{64}/g, 'CONTAINER'], [/snapshots\/\d+/g, 'snapshots/N'], [/(containers\/[^/]+)\/[0-9a-f]{8}\b/g, '$1/ID'], [/restarts \d+/g, 'restarts N'], [/lowerdir=\S+/g, 'lowerdir']]
/** And those that a pod gets anew. */
const ofPods: [RegExp, string][] = [
  ...ofContainers, [/[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}/g, 'UID'], [/(subject-[0-9a-f]+)-[a-z0-9]{5}\b/g, '$1-ID'], [/\b10\.\d+\.\d+\.\d+\b/g, 'ADDRESS'],
  [/\bveth\w+/g, 'VETH'], [/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'MAC'], [/fe80::[0-9a-f:]+/g, 'LINK'], [/KUBE-SEP-\w+/g, 'KUBE-SEP'], [/addresses: \d+: \w+\s+/g, 'addresses: '], [/net:\[\d+\]/g, 'NET'], [/@if\d+/g, 'IF'], [/kube-api-access-\w+/g, 'TOKEN'],
]
const masks = { nothing: [], 'a new container': ofContainers, 'new pods on any node': ofPods } as const

export async function takePicture(namespaces: readonly string[]): Promise<Picture> {
  const givenUpAt = performance.now() + standbyGoneWithinMs
  for (;;) {
    const picture = await look(namespaces)
    const isWaitedFor = Object.values(picture).flat().some(line => line.includes('services/injector/reverter.ts'))
    if (!isWaitedFor || performance.now() >= givenUpAt) return picture
    await delay(200)
  }
}

async function look(namespaces: readonly string[]): Promise<Picture> {
  const agents = (await inSystem('get', 'pods', '--selector', 'app.kubernetes.io/name=injector', '--output', 'go-template={{range .items}}{{.metadata.name}} {{.spec.nodeName}}\n{{end}}')).trim().split('\n')
  const ofNodes = await Promise.all(agents.map(async line => {
    const [agent = '', node = ''] = line.split(' ')
    const places = JSON.parse(await inSystem('exec', agent, '--', 'node', '--input-type=module', '--eval', script)) as Picture
    return Object.entries(places).map(([place, what]): [string, string[]] => [`${node}, ${place}`, what])
  }))
  const list = async (...args: string[]) => (await kubectl(['get', ...args])).trim().split('\n').sort()
  const ofApi = await Promise.all([
    list('nodes', '--output', 'go-template={{range .items}}{{.metadata.name}} {{if .spec.unschedulable}}cordoned{{end}} {{.spec.taints}}\n{{end}}').then(what => ['nodes', what] as const),
    ...namespaces.flatMap(namespace => [
      list('pods', '--namespace', namespace, '--output', 'go-template={{range .items}}{{.metadata.name}} {{.metadata.uid}} {{.metadata.labels}} {{.status.podIP}} {{range .status.containerStatuses}}restarts {{.restartCount}} ready {{.ready}}{{end}}\n{{end}}').then(what => [`pods of ${namespace}`, what] as const),
      list('endpointslices', '--namespace', namespace, '--output', 'go-template={{range .items}}{{range .endpoints}}{{.addresses}} {{.conditions}}\n{{end}}{{end}}').then(what => [`endpoints of ${namespace}`, what] as const),
    ]),
  ])
  return Object.fromEntries([...ofNodes.flat(), ...ofApi])
}

/**
 * Waits until what has just been installed or made has come everywhere: kube-proxy follows a pod's readiness by up to two seconds, and a Service
 * without a ready pod has a rule of its own meanwhile.
 */
export async function settle(namespaces: readonly string[]): Promise<void> {
  const givenUpAt = performance.now() + 60_000
  for (let before = await takePicture(namespaces); ;) {
    await delay(2_000)
    const after = await takePicture(namespaces)
    const differences = compare(before, after, 'nothing')
    if (differences.length === 0) return
    if (performance.now() >= givenUpAt) assert.fail(`it does not come to rest:\n${differences.join('\n')}`)
    before = after
  }
}

/** Waits until nothing differs but what the system changes by design; fails with the differences when it stays so. */
export async function demandSame(before: Picture, namespaces: readonly string[], byDesign: ByDesign, withinMs = settledWithinMs): Promise<void> {
  const givenUpAt = performance.now() + withinMs
  for (;;) {
    const differences = compare(before, await takePicture(namespaces), byDesign)
    if (differences.length === 0) return
    if (performance.now() >= givenUpAt) assert.fail(`after the fault it is not as before:\n${differences.join('\n')}`)
    await delay(200)
  }
}

/** What one of them has and the other has not, in words. Pure. */
export function compare(before: Picture, after: Picture, byDesign: ByDesign): string[] {
  const [was, is] = [before, after].map(picture => counted(picture, byDesign))
  assert.ok(was && is)
  return [...new Set([...was.keys(), ...is.keys()])].sort().flatMap(line => {
    const change = (is.get(line) ?? 0) - (was.get(line) ?? 0)
    return change === 0 ? [] : [`${change > 0 ? '+' : '-'}${Math.abs(change)} ${line}`]
  })
}

function counted(picture: Picture, byDesign: ByDesign): Map<string, number> {
  const counts = new Map<string, number>()
  // of a pod that went elsewhere, each node's account differs, and that of all together does not
  const everywhere = byDesign === 'new pods on any node' ? [nodeNamesIn(picture)] : []
  for (const [place, what] of Object.entries(picture)) for (const line of what) {
    const masked = [...masks[byDesign], ...everywhere].reduce((text, [pattern, name]) => text.replaceAll(pattern, name), `${place}: ${line}`)
    counts.set(masked, (counts.get(masked) ?? 0) + 1)
  }
  return counts
}

function nodeNamesIn(picture: Picture): [RegExp, string] {
  const names = new Set(Object.keys(picture).flatMap(place => /^(\S+), /.exec(place)?.[1] ?? []))
  return [new RegExp(`\\b(?:${[...names].map(name => name.replaceAll('.', '\\.')).join('|')})\\b`, 'g'), 'NODE']
}
