import { createServer } from 'node:http'
import { H3, toNodeHandler } from 'h3/node'

// The yardstick: what a bare h3 server takes to read a body and send it back.
const app = new H3()
app.post('/echo', async (event) => {
  const body = await event.req.arrayBuffer()
  return new Response(body, { headers: { 'content-type': 'application/json' } })
})
const server = createServer(toNodeHandler(app))
server.listen(0, '127.0.0.1', () => process.send!((server.address() as { port: number }).port))
process.on('disconnect', () => process.exit(0))
