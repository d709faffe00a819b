import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { toolPath } from '#shared/tools.mjs'
import type { ChildPlan, Command } from '#shared/process/child-plan.ts'

export interface ShopOptions {
  /** An existing folder of the caller's, for the shop's metric files. */
  folder: string
  port: number
  /** gunicorn's master answers /metrics here, also when all workers are stuck. */
  metricsPort: number
  databaseUrl: string
  redisUrl?: string
  /** What a program shows to place an order by id; without it none may. */
  ordersPassword?: string
  workers?: number
  /** Per worker. Requests that stall hold one each; keep workers × threads above the number of users. */
  threads?: number
}

export interface ShopPlan {
  /** To be run to their ends, one after another, before the server: tables, then demo data. */
  before: Command[]
  server: ChildPlan
  url: string
  /** `host:port` */
  metricsAddress: string
}

const source = fileURLToPath(new URL('../../../k8s/shop', import.meta.url))

/** The jewelry shop on loopback; its settings are described in k8s/shop/README.md. Throws ToolMissing. */
export function shopPlan({ folder, port, metricsPort, databaseUrl, redisUrl, ordersPassword = '', workers = 4, threads = 16 }: ShopOptions): ShopPlan {
  const python = toolPath('python') // FAULTLINE_PYTHON_BIN, or that of the environment set-up makes of k8s/shop/requirements.txt
  const env = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl ?? '',
    SHOP_SECRET_KEY: randomBytes(32).toString('base64url'),
    SHOP_ORDERS_PASSWORD: ordersPassword,
    SHOP_BIND: `127.0.0.1:${port}`,
    SHOP_WORKERS: String(workers),
    SHOP_THREADS: String(threads),
    SHOP_METRICS_PORT: String(metricsPort),
    SHOP_METRICS_DIR: join(folder, 'shop-metrics'),
    PYTHONDONTWRITEBYTECODE: '1', // the checkout stays as it is
    PYTHONUNBUFFERED: '1',
  }
  const manage = (name: string, ...args: string[]): Command => ({ name, argv: [python, 'manage.py', ...args], env, cwd: source })
  return {
    before: [manage('shop-migrate', 'migrate', '--verbosity', '0'), manage('shop-seed', 'seed', '--products', '500', '--customers', '200')],
    server: {
      name: 'shop', argv: [python, '-m', 'gunicorn', 'jewelry.wsgi:application'], env, cwd: source,
      ready: { kind: 'http', url: `http://127.0.0.1:${port}/readyz` },
    },
    url: `http://127.0.0.1:${port}`,
    metricsAddress: `127.0.0.1:${metricsPort}`,
  }
}
