import { z } from 'zod'
import { defineProbe, endpointName } from '#shared/probe.ts'

const path = () => z.string().max(500)
  .regex(/^\/(?![/\\])[^\s\\#]*$/, 'a path that begins with one slash; the address before it is the operator\'s to set')
const pathWithId = () => path().regex(/\{id\}/, 'a path with {id} in it, where each attempt puts an id of its own')

export default defineProbe({
  kind: 'http',
  summary: 'Does it answer, and is what it has acknowledged still there?',
  documentation: `
With \`path\`, an attempt is a GET that must be answered with a status below 400.

With \`write\` and \`read\`, an attempt is a write under an id of its own (a UUID in place of \`{id}\`), which a status 2xx acknowledges; after the
recovery every acknowledged id is looked for by a GET of \`read\`: 2xx is there, 404 or 410 is missing, anything else is asked again. Let the write
be one that may be repeated with the same id, such as a PUT.

Every attempt opens a connection of its own, as a new client would, and follows no redirect. User and password of the endpoint's URL are sent
as basic authentication. The endpoint may have a path of its own, which comes first.`,
  endpointExample: 'http://probe:secret@shop.jewelry-shop',
  parameters: z.strictObject({
    endpoint: endpointName(),
    path: path().optional().describe('What is asked for by GET, such as /'),
    write: z.strictObject({
      method: z.enum(['PUT', 'POST']).default('PUT').describe('How it is written'),
      path: pathWithId().describe('Where, such as /api/orders/{id}'),
      body: z.string().max(10_000).optional().describe('JSON that is sent, {id} in it replaced'),
    }).optional().describe('A write under an id of its own, which a status 2xx acknowledges'),
    read: z.strictObject({ path: pathWithId().describe('Where it is looked for, such as /api/orders/{id}') }).optional().describe('How an acknowledged write is looked for after the recovery'),
  }).refine(({ path: only, write, read }) => only === undefined ? write !== undefined && read !== undefined : write === undefined && read === undefined, 'either path, or write and read'),
  plan: ({ path: only = '/', write, read }) => {
    if (!write || !read) return { by: 'http', read: { path: only } }
    const { method, path: to, body } = write
    return { by: 'http', write: { method, path: to, ...(body !== undefined && { body }) }, read }
  },
  describe: ({ endpoint, path: only, write }) => write ? `${write.method} ${write.path} at ${endpoint}` : `GET ${only} at ${endpoint}`,
})
