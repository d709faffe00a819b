import { once } from 'node:events'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Children } from '#shared/process/children.ts'
import { interruptSignal } from './interrupt.ts'
import { newSessionFolder } from './local/folder.ts'
import { writeEndpoints } from './local/session.ts'
import { startShop } from './local/shop.ts'
import { experimentsFolder, experimentsToTry, renderShopHint } from './shop-experiments.ts'

/** `faultline shop`: the jewelry shop on loopback until it is interrupted, and which experiments there are to run on it. */
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
  const experiments = await experimentsToTry(fileURLToPath(new URL(`../../${experimentsFolder}`, import.meta.url)))
  process.stdout.write(renderShopHint({ url, allow: parents.map(({ name, pid }) => `${name}=${pid}`), scrape: scrape.map(({ address }) => address), endpointsFolder }, experiments))
  if (!interrupted.aborted) await once(interrupted, 'abort')
  return 0
}
