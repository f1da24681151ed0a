// Hocuspocus as it comes: documents live in memory only.
import { Server } from '@hocuspocus/server'

const { HOST, PORT } = process.env
await new Server({ address: HOST, port: Number(PORT), quiet: true }).listen()
