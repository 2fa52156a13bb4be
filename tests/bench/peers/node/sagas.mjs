// Durable sagas of four steps on DBOS: a request is a workflow and is answered when it has ended; each step asks a server over HTTP.
// usage: sagas.mjs PORT STEPS_URL DATABASE_URL
import { Agent, createServer, request } from 'node:http'
import { DBOS } from '@dbos-inc/dbos-sdk'

const [port, steps, systemDatabaseUrl] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: 256 })

const step = (n) =>
  new Promise((resolve, reject) => {
    const asked = request(`${steps}/${n}`, { agent }, (reply) => {
      let text = ''
      reply.setEncoding('utf8').on('data', (part) => (text += part))
      reply.on('end', () => (reply.statusCode === 200 ? resolve(JSON.parse(text).n) : reject(new Error(`step: ${reply.statusCode}`))))
    })
    asked.on('error', reject).end()
  })

const saga = DBOS.registerWorkflow(async () => {
  for (let n = 1; n <= 4; n++) await DBOS.runStep(() => step(n), { name: `step-${n}` })
  return 'done'
}, { name: 'saga' })

// Half of the 60 connections that the database has.
DBOS.setConfig({ name: 'bench', systemDatabaseUrl, systemDatabasePoolSize: 30, logLevel: 'error' })
await DBOS.launch()
createServer(async (asked, reply) => {
  asked.resume()
  if (asked.method !== 'POST') return reply.end('{}')
  try {
    const state = await saga()
    reply.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ state }))
  } catch (error) {
    reply.writeHead(500).end(JSON.stringify({ title: String(error) }))
  }
}).listen(Number(port), '127.0.0.1', 1024)
