import { once } from 'node:events'
import { dirname } from 'node:path'
import { Children } from '#shared/process/children.ts'
import { interruptSignal } from './interrupt.ts'
import { newSessionFolder } from './local/folder.ts'
import { writeEndpoints } from './local/session.ts'
import { startShop } from './local/shop.ts'

/** `faultline shop`: the jewelry shop on loopback until it is interrupted, and how to run an experiment on it. */
export async function shopCommand(): Promise<0> {
  const startedMs = performance.now()
  const folder = newSessionFolder()
  const children = new Children(folder, { parent: dirname(folder) })
  await using owned = new AsyncDisposableStack()
  owned.defer(() => children.close())
  const interrupted = interruptSignal()
  const { url, parents, scrape, endpoints } = await startShop(children, folder, doing => {
    process.stderr.write(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(6)} s  starting ${doing}\n`)
  })
  const endpointsFolder = writeEndpoints(folder, endpoints)
  const within = parents.map(({ name, pid }) => `${name}=${pid}`).join(' ')
  process.stdout.write(`The jewelry shop is at ${url} until Ctrl-C (customer1@example.test, password customer). In another terminal:

  npx faultline run k8s/experiments/local/redis-pause.yaml \\
    --host ${url} --within ${within} --scrape ${scrape.map(({ address }) => address).join(' ')}

Probes of the shop and its stores: add --endpoints ${endpointsFolder}
`)
  if (!interrupted.aborted) await once(interrupted, 'abort')
  return 0
}
