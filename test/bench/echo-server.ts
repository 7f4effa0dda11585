import { H3, toNodeHandler } from 'h3/node'
import { listen } from 'listhen'

// The yardstick: what a bare h3 app, served by listhen, takes to read a body and send it back.
const app = new H3()
app.post('/echo', async (event) => {
  const body = await event.req.arrayBuffer()
  return new Response(body, { headers: { 'content-type': 'application/json' } })
})
const { server } = await listen(toNodeHandler(app), {
  hostname: '127.0.0.1',
  port: { random: true },
  public: false,
  isProd: true,
  showURL: false,
  autoClose: false,
})
process.send!((server.address() as { port: number }).port)
process.on('disconnect', () => process.exit(0))
