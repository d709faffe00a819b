import { z } from 'zod'
import { defineFault } from '#shared/fault.ts'
export default defineFault({
  kind: 'kill', summary: 'Kills processes', documentation: '', duration: 'none',
  parameters: z.strictObject({ signal: z.enum(['SIGKILL', 'SIGTERM']).default('SIGKILL') }),
  plan: p => [{ do: 'kill', signal: p.signal, tree: false, lease: 'none' }],
})
