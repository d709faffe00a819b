import { z } from 'zod'
import { defineProbe, endpointName } from '#shared/probe.ts'

export default defineProbe({
  kind: 'tcp',
  summary: 'Does it accept a TCP connection?',
  documentation: `
Opens a connection, and closes it as soon as it is there. It tells that somebody listens, not that anybody works: a paused server's kernel
still accepts, until its queue is full. Prefer a probe that has something done.`,
  endpointExample: 'tcp://shop.jewelry-shop:80',
  parameters: z.strictObject({ endpoint: endpointName() }),
  plan: () => ({ by: 'tcp' }),
  describe: ({ endpoint }) => `a connection to ${endpoint}`,
})
