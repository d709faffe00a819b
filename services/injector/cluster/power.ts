import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { PlannedTarget } from '#shared/commands.ts'
import type { Config } from '#shared/config.ts'
import { messageOf } from '#shared/errors.ts'
import { unlessMissing } from '#shared/kubernetes-answer.ts'
import { withoutLogin } from '#shared/redaction.ts'
import type { BoundNode } from '#shared/target.ts'
import { FaultRefused } from '../fault-refused.ts'
import type { ApiUndo } from '../journal.ts'
import type { Seen, StepInHand } from '../step-in-hand.ts'
import { ask, type Kubernetes } from './kubernetes.ts'
import { demandNode } from './node-targets.ts'

/** The protocol is in the documentation of the fault node-power (shared/faults/node-power.ts). */
export interface PowerService { url: string; token: string }

const answerSchema = z.looseObject({ state: z.enum(['on', 'off', 'turning-on', 'turning-off']), holder: z.string().optional() })
type Answer = z.output<typeof answerSchema>
const patienceMs = { off: 10_000, ask: 3_000, on: 25_000 } as const

/** Undefined where no power service was named. */
export function configuredPower(config: Config): PowerService | undefined {
  const [url, token] = [config.get('power.url'), config.get('power.token')]
  return url === undefined || url === '' || token === undefined ? undefined : { url: url.replace(/\/+$/, ''), token }
}

export function describePower({ node: { name } }: BoundNode): PlannedTarget['steps'][number] {
  return { lease: 'power-service', act: `PUT /nodes/${name}/power {"state": "off"} to the power service`, undo: `PUT /nodes/${name}/power {"state": "on"}` }
}

export function preparePowerOff(kubernetes: Kubernetes, service: PowerService | undefined, target: BoundNode, id: string): StepInHand {
  const { name } = target.node
  const power = demandService(service)
  return {
    undo: { undo: 'power-on', node: name, holder: id },
    async act({ requireTimeLeft }) {
      await demandNode(kubernetes, target)
      const answer = await request(power, 'PUT', name, patienceMs.off, { state: 'off', holder: id, leaseMs: Math.max(1, Math.round(requireTimeLeft())) })
      return { verified: answer.state === 'off' && answer.holder === id, readBack: [`${name} is ${answer.state}, says the power service`, `${name} is ${await readiness(kubernetes, name)}`] }
    },
    async renew(remainingMs) {
      if (remainingMs < 1) return 'lapsed'
      const answer = await request(power, 'PATCH', name, patienceMs.ask, { holder: id, leaseMs: Math.round(remainingMs) })
      return answer === 'lapsed' ? answer : 'renewed'
    },
  }
}

/** Repeatable: what has power keeps it. Confirmed when the node is ready again. */
export async function powerOn(kubernetes: Kubernetes, service: PowerService | undefined, { node, holder }: ApiUndo & { undo: 'power-on' }): Promise<Seen> {
  const power = demandService(service)
  const givenUpAt = performance.now() + patienceMs.on
  let answer = await request(power, 'PUT', node, patienceMs.ask, { state: 'on', holder })
  for (;;) {
    const ready = answer.state === 'on' ? await readiness(kubernetes, node) : 'not on yet'
    const isOver = ready === 'ready' || ready === 'gone'
    if (isOver || performance.now() >= givenUpAt) return { verified: isOver, readBack: [`${node} is ${answer.state}, says the power service`, `${node} is ${ready}`] }
    await delay(300)
    answer = await request(power, 'GET', node, patienceMs.ask)
  }
}

async function readiness({ core }: Kubernetes, name: string): Promise<string> {
  const node = await ask(`the node ${name}`, unlessMissing(core.readNode({ name })))
  if (!node) return 'gone'
  return node.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True' ? 'ready' : 'not ready'
}

function demandService(service: PowerService | undefined): PowerService {
  if (!service) throw new FaultRefused('no power service is named; set power.url and power.token for the API-side agent (npm run k8s:install takes them from its own settings)')
  return service
}

function request(service: PowerService, method: 'PUT' | 'GET', node: string, withinMs: number, body?: object): Promise<Answer>
function request(service: PowerService, method: 'PATCH', node: string, withinMs: number, body: object): Promise<Answer | 'lapsed'>
async function request({ url, token }: PowerService, method: string, node: string, withinMs: number, body?: object): Promise<Answer | 'lapsed'> {
  const what = `the power service, asked for ${method} /nodes/${node}/power,`
  let answer: Response
  try {
    answer = await fetch(`${url}/nodes/${encodeURIComponent(node)}/power`, {
      method, headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) }, ...(body && { body: JSON.stringify(body) }), signal: AbortSignal.timeout(withinMs),
    })
  } catch (cause) {
    throw new FaultRefused(`${what} does not answer at ${withoutLogin(url)}: ${withoutLogin(messageOf(cause))}`)
  }
  if (method === 'PATCH' && answer.status === 409) return 'lapsed'
  const text = await answer.text()
  if (!answer.ok) throw new FaultRefused(`${what} refuses (${answer.status}): ${text.slice(0, 200)}`)
  try {
    return answerSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new FaultRefused(`${what} answers what nobody understands: ${text.slice(0, 200)}`, { cause })
  }
}
