/**
 * The power service of this cluster, as the fault node-power asks for one (its protocol is in shared/faults/node-power.ts). It lives in the control plane's
 * network, as a machine's management controller lives beside it: whatever happens to faultline or to Kubernetes, a lease that is over gives the power
 * back. It also does what a cloud's node controller does when it knows that a machine is off (fencing.ts). It switches by the commands `cluster off` and `cluster on`, and is told nothing but what a request says.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { bears } from '#shared/bearer.ts'
import { systemClock } from '#shared/clock.ts'
import { run } from './commands.ts'
import { fence, unfence } from './fencing.ts'
import { network, nodeName, nodeNumbers, paths, powerPort } from './paths.ts'
import { leaseSchema, renewed, start, type Lease } from './power-leases.ts'
import { settingsOfRunningCluster } from './settings.ts'

const command = fileURLToPath(new URL('cluster.ts', import.meta.url))
const token = readFileSync(paths.powerToken, 'utf8').trim()
/** By node; on disk before the power goes, so that a server that is started again gives it back. */
const leases = new Map<string, Lease>(readLeases())
const switching = new Map<string, { to: 'on' | 'off'; done: Promise<void> }>()

const holder = z.string().min(1).max(100)
const leaseMs = z.int().min(1).max(3_600_000)
const requests = {
  PUT: z.discriminatedUnion('state', [z.strictObject({ state: z.literal('off'), holder, leaseMs }), z.strictObject({ state: z.literal('on'), holder })]),
  PATCH: z.strictObject({ holder, leaseMs }),
}

class Refused extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const stateOf = (node: string) => {
  const to = switching.get(node)?.to
  const lease = leases.get(node)
  return { state: to ? `turning-${to}` : lease ? 'off' : 'on', ...(lease && { holder: lease.holder }) }
}

async function answer(request: IncomingMessage): Promise<object> {
  if (!bears(request.headers.authorization, token)) throw new Refused(401, 'a bearer token is needed')
  const node = /^\/nodes\/([^/]+)\/power$/.exec(request.url ?? '')?.[1]
  if (node === undefined || !nodeNumbers(settingsOfRunningCluster().nodes).some(number => nodeName(number) === node)) throw new Refused(404, 'there is no such node')
  if (request.method === 'GET') return stateOf(node)
  const body: unknown = JSON.parse(await text(request))
  const nowMs = systemClock.monotonicMs()
  if (request.method === 'PATCH') {
    const next = renewed(leases.get(node), requests.PATCH.parse(body), nowMs)
    if (!next) throw new Refused(409, 'that lease is over, or another\'s')
    keep(node, next)
    return stateOf(node)
  }
  if (request.method !== 'PUT') throw new Refused(405, 'GET, PUT or PATCH')
  const asked = requests.PUT.parse(body)
  const held = leases.get(node)
  if (held && held.holder !== asked.holder) throw new Refused(409, `${held.holder} has it`)
  if (asked.state === 'on') {
    if (held) void turn(node, 'on') // who asks looks again until it is on
    return stateOf(node)
  }
  if (switching.get(node)?.to === 'on') throw new Refused(409, 'it is being switched on')
  keep(node, start(asked, nowMs))
  await turn(node, 'off')
  return stateOf(node)
}

/** One switch of a node at a time; a second request for the same waits for the first. */
function turn(node: string, to: 'on' | 'off'): Promise<void> {
  const now = switching.get(node)
  if (now?.to === to) return now.done
  const done = (async () => {
    await now?.done.catch(() => undefined) // it has said why
    await run([process.execPath, command, to, node])
    if (to === 'on') {
      await unfence(node)
      keep(node, undefined)
    } else void fence(node, () => leases.has(node)).catch((error: unknown) => console.error(`${node} could not be fenced: ${String(error)}`))
  })().finally(() => { if (switching.get(node)?.done === done) switching.delete(node) })
  switching.set(node, { to, done })
  done.catch((error: unknown) => console.error(`${node} could not be switched ${to}: ${String(error)}`)) // one that is off and should not be is tried again
  return done
}

function keep(node: string, lease: Lease | undefined): void {
  if (lease) leases.set(node, lease)
  else leases.delete(node)
  writeFileSync(`${paths.powerLeases}.half`, JSON.stringify([...leases]), { mode: 0o600 })
  renameSync(`${paths.powerLeases}.half`, paths.powerLeases)
}

function readLeases(): [string, Lease][] {
  try {
    return z.array(z.tuple([z.string(), leaseSchema])).parse(JSON.parse(readFileSync(paths.powerLeases, 'utf8')))
  } catch {
    return [] // nobody's power was ever cut
  }
}

setInterval(() => {
  for (const [node, { endsMs }] of leases) if (systemClock.monotonicMs() >= endsMs && switching.get(node)?.to !== 'on') void turn(node, 'on').catch(() => undefined)
}, 100)

createServer((request: IncomingMessage, response: ServerResponse) => {
  const say = (status: number, body: object) => response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
  answer(request).then(body => say(200, body), (error: unknown) => {
    if (error instanceof Refused) return say(error.status, { error: error.message })
    return say(error instanceof z.ZodError || error instanceof SyntaxError ? 400 : 500, { error: String(error) })
  })
}).listen(powerPort, network.controlPlane)
