import { freePort } from '#shared/process/free-port.ts'
import { shopPlan, type ShopOptions } from '../../services/cli/parts/shop.ts'
import { commandLine } from '#shared/process/process-table.ts'
import { runToEnd, startChild, temporaryFolder, type Child } from './child.ts'

export interface Shop extends AsyncDisposable {
  url: string
  /** Answered by gunicorn's master. */
  metricsUrl: string
  child: Child
  workers(): number[]
  /** Runs the seed command once more; gives what it prints. */
  seed(): Promise<string>
}

/** The real shop, migrated and seeded, on its own ports. */
export async function startShop({ env = {}, ...options }: Pick<ShopOptions, 'databaseUrl' | 'redisUrl' | 'workers' | 'threads'> & { env?: Record<string, string> }): Promise<Shop> {
  await using owned = new AsyncDisposableStack()
  const folder = owned.use(temporaryFolder('shop'))
  const plan = shopPlan({ folder: folder.path, port: await freePort(), metricsPort: await freePort(), ...options })
  Object.assign(plan.server.env, env)
  for (const command of plan.before) await runToEnd(command)
  const child = owned.use(await startChild(plan.server, folder.path))
  const seed = plan.before.find(command => command.name === 'shop-seed')
  const all = owned.move()
  return {
    url: plan.url,
    metricsUrl: `http://${plan.metricsAddress}/metrics`,
    child,
    workers: () => child.tree().filter(pid => commandLine(pid).startsWith('gunicorn: worker')),
    seed: () => seed ? runToEnd(seed) : Promise.reject(new Error('the plan has no seed')),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

export interface Page { status: number; text: string; headers: Headers }

/** A browser as the shop sees it: keeps cookies, sends the CSRF token back, follows no redirect unasked. */
export class Visitor {
  readonly #url: string
  readonly #cookies = new Map<string, string>()

  constructor(url: string) { this.#url = url }

  cookie(name: string): string | undefined { return this.#cookies.get(name) }

  async get(path: string, headers: Record<string, string> = {}): Promise<Page> { return this.#send(path, { headers }) }

  /** Sends a form. The token goes in the header, as a script does it, unless `headers` says otherwise. */
  async post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Page> {
    if (!this.#cookies.has('csrftoken')) await this.get('/login')
    const token = { 'x-csrftoken': this.#cookies.get('csrftoken') ?? '' }
    return this.#send(path, { method: 'POST', body: new URLSearchParams(fields), headers: { ...token, ...headers } })
  }

  async logIn(email: string, password: string): Promise<this> {
    const { status, text } = await this.post('/login', { email, password })
    if (status !== 302) throw new Error(`no login for ${email}: ${status} ${text}`)
    return this
  }

  async #send(path: string, init: { method?: string; body?: URLSearchParams; headers: Record<string, string> }): Promise<Page> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(this.#url + path, { ...init, headers: { cookie, ...init.headers }, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0/i.test(line)) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    return { status: response.status, text: await response.text(), headers: response.headers }
  }
}

/** The value of one series, such as `shop_requests_total{status="200"}`: the sum of all whose labels include these. 0 if there is none. */
export function sumOf(exposition: string, name: string, labels: Record<string, string> = {}): number {
  return exposition.split('\n')
    .filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter(line => Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
