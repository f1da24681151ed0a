// Hocuspocus with its database extension on Postgres, as its documentation shows it.
import { Database } from '@hocuspocus/extension-database'
import { Server } from '@hocuspocus/server'
import pg from 'pg'

const { HOST, PORT, DATABASE_URL } = process.env
const pool = new pg.Pool({ connectionString: DATABASE_URL })
await pool.query('create table if not exists documents (name text primary key, data bytea not null)')

const database = new Database({
  fetch: async ({ documentName }) => {
    const { rows } = await pool.query('select data from documents where name = $1', [documentName])
    return rows[0]?.data ?? null
  },
  store: async ({ documentName, state }) => {
    await pool.query(
      'insert into documents (name, data) values ($1, $2) on conflict (name) do update set data = excluded.data',
      [documentName, state],
    )
  },
})
await new Server({ address: HOST, port: Number(PORT), quiet: true, extensions: [database] }).listen()
