import { Socket } from 'node:net'
import pg from 'pg'
import type { ProbePlan } from '#shared/probe.ts'
import { Connections, reasonOf, within, type ProbeDriver } from './driver.ts'

/** Made by the operator, or by the prober where it may. `npm run deploy` makes the same. */
const ledgerTable = `CREATE TABLE IF NOT EXISTS faultline_ledger (id uuid PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT now())`

export function postgresDriver(url: URL, { ledger }: Extract<ProbePlan, { by: 'postgres' }>): ProbeDriver {
  let hasTable = !ledger
  const connections = new Connections<{ client: pg.Client; socket: Socket }>(async signal => {
    const socket = new Socket()
    const client = new pg.Client({ connectionString: url.href, stream: () => socket, application_name: 'faultline-prober' })
    client.on('error', () => {}) // the next use of it fails
    try {
      await within(client.connect(), signal)
      if (!hasTable) await prepareTable(client)
      hasTable = true
      return { client, socket }
    } catch (error) {
      socket.destroy()
      throw error
    }
  }, ({ socket }) => socket.destroy()) // no goodbye: a server that is gone would be waited for
  return {
    async attempt(id, signal) {
      try {
        await connections.use(signal, ({ client }) => ledger ? client.query('INSERT INTO faultline_ledger (id) VALUES ($1)', [id]) : client.query('SELECT 1'))
        return { is: 'ok' }
      } catch (error) {
        return { is: 'failed', why: reasonOf(error, signal) }
      }
    },
    async find(ids, signal) {
      const { rows } = await connections.use(signal, ({ client }) => client.query<{ id: string }>('SELECT id FROM faultline_ledger WHERE id = ANY($1::uuid[])', [ids]))
      return new Set(rows.map(({ id }) => id))
    },
    async clear(ids, signal) {
      await connections.use(signal, ({ client }) => client.query('DELETE FROM faultline_ledger WHERE id = ANY($1::uuid[])', [ids]))
    },
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  }
}

/**
 * Asked first: CREATE needs a right that a prober need not have, even for a table that is there. Several attempts may race to make it. A write whose
 * answer never came may arrive after the ledger was cleared, and a prober that was killed clears nothing: what is older than a day goes.
 */
async function prepareTable(client: pg.Client): Promise<void> {
  const { rows: [found] } = await client.query<{ there: boolean }>(`SELECT to_regclass('faultline_ledger') IS NOT NULL AS there`)
  if (found?.there) {
    await client.query(`DELETE FROM faultline_ledger WHERE written_at < now() - interval '1 day'`)
    return
  }
  try {
    await client.query(ledgerTable)
  } catch (error) {
    if (!['23505', '42P07'].includes(String((error as { code?: unknown }).code))) throw error
  }
}
