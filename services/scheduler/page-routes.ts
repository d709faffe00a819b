import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** What of the page's folder a browser gets, and as what. */
const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.ts': 'text/javascript; charset=utf-8',
}

/** Nothing comes from elsewhere, nothing is sent elsewhere, and nobody frames it; there is no script or style but in files of its own. */
const headers = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache', // asked for again each time, and answered in short when it is the same: a page and its code are of one version
}

const folder = new URL('page/', import.meta.url)

interface Asset { type: string; body: string; etag: string }

/**
 * The live page: `GET /` and `/page/*`. Its files hold nothing that is secret, and need no token; what it shows comes from the API, by the token that the
 * user gives it. Its code is TypeScript as everything here: browsers get it without its types, which are taken out once, at the start.
 */
export async function pageRoutes(api: FastifyInstance): Promise<void> {
  const assets = await readAssets()
  const serve = (asset: Asset) => (request: FastifyRequest, reply: FastifyReply) => {
    void reply.headers({ ...headers, etag: asset.etag })
    return request.headers['if-none-match'] === asset.etag ? reply.code(304).send() : reply.type(asset.type).send(asset.body)
  }
  for (const [name, asset] of assets) {
    if (name === 'index.html') api.get('/', serve(asset))
    else api.get(`/page/${name}`, serve(asset))
  }
}

async function readAssets(): Promise<Map<string, Asset>> {
  const written = new Map(readdirSync(folder).filter(name => extname(name) in contentTypes).map(name => [name, readFileSync(new URL(name, folder), 'utf8')]))
  const code = await withoutTypes(Object.fromEntries([...written].filter(([name]) => name.endsWith('.ts'))))
  return new Map([...written].map(([name, source]) => {
    const body = code[name] ?? source
    return [name, { type: contentTypes[extname(name)] ?? '', body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` }]
  }))
}

/** In a thread of its own, whose stderr nobody reads: Node warns of its stripper once in each, and a command's stderr is for people. */
async function withoutTypes(sources: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
  const stripper = new Worker(new URL('page-stripper.ts', import.meta.url), { workerData: sources, stderr: true })
  const [stripped] = await once(stripper, 'message') as [Readonly<Record<string, string>>]
  return stripped
}
