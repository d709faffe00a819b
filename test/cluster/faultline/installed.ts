/**
 * faultline in the cluster of the current context, as `npm run k8s:install` brings it in; FAULTLINE_TEST_VARIANT says which (base). The images must
 * be there: FAULTLINE_TEST_VERSION is their tag (dev), FAULTLINE_TEST_REGISTRY where they are (localhost).
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { FactData, StoredFact } from '#shared/events.ts'
import { judge } from '#shared/verdict.ts'
import { ApiClient } from '../../../services/cli/api-client.ts'
import { kubectl } from '../../../services/cli/deploy/kubectl.ts'
import { powerValues } from '../../../services/cli/install/power-values.ts'
import { install, variants, type Variant } from '../../../services/cli/install/install.ts'
import { namespace, secretName } from '../../../services/cli/install/secret.ts'
import { forwardPort } from '../../parts/port-forward.ts'

export const images = { registry: process.env['FAULTLINE_TEST_REGISTRY'] ?? 'localhost', version: process.env['FAULTLINE_TEST_VERSION'] ?? 'dev' }
export const variant = variantOf(process.env['FAULTLINE_TEST_VARIANT'] ?? 'base')
export const inSystem = (...args: string[]): Promise<string> => kubectl(['--namespace', namespace, ...args])

/** Repeatable, and quick when it is there. */
export const installed = (): Promise<void> => install({ variant, ...images, patienceS: 120, given: powerValues() }, () => undefined)

export interface ForwardedScheduler extends AsyncDisposable {
  submit(experiment: unknown): Promise<string>
  /** All facts of a run to its verdict; `onFact` is called as they come. */
  facts(run: string, onFact?: (stored: StoredFact) => void): Promise<StoredFact[]>
  /** Submits it, and resolves when its fault is there, or the first part of it; fails when the run is judged before. */
  hold(experiment: unknown): Promise<{ run: string; injected: FactData<'fault.injected'>; judged: Promise<StoredFact[]> }>
}

/** The scheduler's API, through a port of this machine. */
export async function forwardScheduler(): Promise<ForwardedScheduler> {
  const token = await inSystem('get', 'secret', secretName, '--output', 'go-template={{index .data "api-token" | base64decode}}')
  const forwarding = spawn('kubectl', ['--namespace', namespace, 'port-forward', 'service/scheduler', ':9646'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(forwarding, 'close').then(() => { throw new Error('kubectl port-forward ended') })
  const lines = createInterface({ input: forwarding.stdout })
  const [line] = await Promise.race([once(lines, 'line'), ended]) as [string]
  ended.catch(() => undefined)
  const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1]
  const client = new ApiClient({ apiUrl: `http://127.0.0.1:${port}`, token })
  const submit = (experiment: unknown) => client.submit(experiment, 'a test')
  async function factsOf(run: string, onFact: (stored: StoredFact) => void = () => undefined): Promise<StoredFact[]> {
    const facts: StoredFact[] = []
    for await (const stored of client.facts(run, AbortSignal.timeout(120_000))) {
      facts.push(stored)
      onFact(stored)
    }
    return facts
  }
  return {
    submit, facts: factsOf,
    async hold(experiment) {
      const run = await submit(experiment)
      const injected = Promise.withResolvers<FactData<'fault.injected'>>()
      const judged = factsOf(run, ({ kind, fact }) => { if (kind === 'fault.injected') injected.resolve(fact.data) })
      const early = judged.then(facts => assert.fail(`${run} was judged before its fault was there: ${judge(facts).reasons.join('; ')}`))
      early.catch(() => undefined) // afterwards, `judged` is awaited elsewhere
      return { run, injected: await Promise.race([injected.promise, early]), judged }
    },
    async [Symbol.asyncDispose]() {
      forwarding.kill()
      await ended.catch(() => undefined)
    },
  }
}

/** faultline's own Prometheus, through a port of this machine; it asks for a login. */
export async function forwardPrometheus() {
  const password = await inSystem('get', 'secret', secretName, '--output', 'go-template={{index .data "prometheus-password" | base64decode}}')
  const forwarded = await forwardPort(namespace, 'prometheus', 9090)
  return { url: forwarded.url, authorization: `Basic ${Buffer.from(`faultline:${password}`).toString('base64')}`, [Symbol.asyncDispose]: () => forwarded[Symbol.asyncDispose]() }
}

function variantOf(name: string): Variant {
  if (name in variants) return name as Variant
  throw new Error(`FAULTLINE_TEST_VARIANT is ${name}; it can be ${Object.keys(variants).join(', ')}`)
}
