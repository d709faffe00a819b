import { z } from 'zod'
import { defineProbe, endpointName } from '#shared/probe.ts'

export default defineProbe({
  kind: 'postgres',
  summary: 'Does PostgreSQL take writes, and are those that it has acknowledged still there?',
  documentation: `
An attempt inserts a row with an id of its own into the table \`faultline_ledger\`; it is acknowledged when the server says so, which under
synchronous replication is when a standby has it too. After the recovery every acknowledged id is looked for, and the rows are deleted; what
is left behind by a prober that was killed is deleted after a day. With
\`ledger: false\`, an attempt is \`SELECT 1\`.

The table is made by the operator (\`npm run deploy\` does, for the shop), whose user then needs to select, insert and delete in it and nothing else;
where it is missing the prober makes it. Connections are kept between attempts, and given up as soon as one fails, so a failover is followed as
fast as the address leads to the new primary.`,
  endpointExample: 'postgres://prober:secret@postgres.jewelry-shop/shop',
  parameters: z.strictObject({
    endpoint: endpointName(),
    ledger: z.boolean().default(true).describe('Write, and look for what was acknowledged; false: only ask'),
  }),
  plan: ({ ledger }) => ({ by: 'postgres', ledger }),
  describe: ({ endpoint, ledger }) => ledger ? `an insert into ${endpoint}` : `a query to ${endpoint}`,
})
