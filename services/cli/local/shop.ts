import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Children } from '#shared/process/children.ts'
import { startTicksOf } from '#shared/process/process-tree.ts'
import { findTool } from '#shared/tools.mjs'
import { preparePostgres } from '../parts/postgres.ts'
import { redisPlan } from '../parts/redis.ts'
import { shopPlan } from '../parts/shop.ts'
import { onFreePort } from './on-free-port.ts'
import type { Subject } from './session.ts'

export interface ShopSubject extends Subject {
  /** Base URL of the shop. */
  url: string
  endpoints: Readonly<Record<string, string>>
}

/**
 * The jewelry shop as a session's subject: PostgreSQL, Redis where there is one, tables, demo data, gunicorn. What may be touched is
 * exactly those servers and their descendants: `database`, `cache` and `shop`.
 */
export async function startShop(children: Children, folder: string, begin: (doing: string) => void): Promise<ShopSubject> {
  const parents: Subject['parents'] = []
  const declare = (name: string, { pid }: { pid: number }) => {
    const startTicks = startTicksOf(pid)
    parents.push({ name, pid, ...(startTicks !== undefined && { startTicks }) })
  }

  begin('PostgreSQL')
  const databaseUrl = await onFreePort(async port => {
    const { plan, url } = await preparePostgres({ folder: join(folder, `postgres-${port}`), port })
    declare('database', await children.start(plan))
    return url
  })
  const redisUrl = findTool('redis-server') === undefined ? undefined : await onFreePort(async port => {
    const plan = redisPlan({ folder, port })
    declare('cache', await children.start(plan))
    return plan.url
  })

  begin('the jewelry shop and its demo data')
  const ordersPassword = randomBytes(18).toString('base64url')
  const { url, metricsAddress } = await onFreePort(port => onFreePort(async metricsPort => {
    const plan = shopPlan({ folder, port, metricsPort, databaseUrl, ordersPassword, ...(redisUrl !== undefined && { redisUrl }) })
    for (const command of plan.before) await children.run(command) // repeatable
    declare('shop', await children.start(plan.server))
    return plan
  }))
  const endpoints = { shop: withPassword(url, ordersPassword), 'shop-database': databaseUrl, ...(redisUrl !== undefined && { 'shop-redis': redisUrl }) }
  return { url, parents, scrape: [{ job: 'shop', address: metricsAddress }], endpoints }
}

function withPassword(base: string, password: string): string {
  const url = new URL(base)
  url.username = 'prober'
  url.password = password
  return url.href
}
